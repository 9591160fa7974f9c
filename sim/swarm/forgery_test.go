package swarm

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"simplane/core"
	"simplane/core/recording"
	"simplane/sim"
	"simplane/sim/replay"
)

// TestSwarmForgeriesAreNoticed: of recordings of the swarm's runs in which one figure is
// another one, none comes out identical. The seeds' own replays only show that what is
// right is found right.
func TestSwarmForgeriesAreNoticed(t *testing.T) {
	steps, bases := 0, 0
	for seed := uint64(1); seed <= 60; seed++ {
		rec := recorded(t, seed)
		if rec == nil {
			continue
		}
		all := identical(t, rec)
		r := rand.New(rand.NewPCG(seed, 0))
		for range 8 {
			i := r.IntN(len(rec.Steps))
			good := rec.Steps[i]
			if good.Domain == 0 || good.Kind == core.StepRefuse {
				continue // no step of a function
			}
			what := forge(r, reflect.ValueOf(&rec.Steps[i]).Elem(), "")
			if what == "" {
				continue
			}
			steps++
			if identical(t, rec) == all {
				t.Errorf("seed %d: step %d, %+v, forged in %s, came out identical", seed, i, good, what)
			}
			rec.Steps[i] = good
		}
		for range 8 {
			i := r.IntN(len(rec.Bases))
			good := rec.Bases[i]
			if !good.Whole || good.Seq == 0 { // where a replay begins there is nothing to compare with
				continue
			}
			forged := *good
			field := stateFields[r.IntN(len(stateFields))]
			what := forge(r, reflect.ValueOf(&forged).Elem().FieldByName(field), field)
			if what == "" {
				continue
			}
			rec.Bases[i] = &forged
			bases++
			if identical(t, rec) == all {
				t.Errorf("seed %d: base %d forged in %s came out identical\n%+v\n%+v", seed, i, what, *good, forged)
			}
			rec.Bases[i] = good
		}
		if identical(t, rec) != all {
			t.Errorf("seed %d: as it was recorded it is not identical", seed)
		}
	}
	if steps < 50 || bases < 30 {
		t.Errorf("only %d steps and %d bases were forged", steps, bases)
	}
}

// stateFields are those of a base that a replay arrives at by itself.
var stateFields = []string{"Live", "Live", "Live", "Queue", "Late", "Service", "ReplicasWanted", "ReplicasReady", "Ready", "Autoscale", "Deleted"}

// recorded is the recording of a seed's run; nil if there is none.
func recorded(t *testing.T, seed uint64) *recording.Recording {
	t.Helper()
	sc, _, err := reread(Generate(seed, 10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	rec := &recording.Recording{}
	if _, err := sim.Run(sc, sim.Options{Record: rec}); err != nil {
		t.Fatal(err)
	}
	if len(rec.Steps) < 10 || len(rec.Bases) == 0 || identical(t, rec) <= 0 {
		return nil
	}
	return rec
}

// identical says how many steps a replay found to be as they were recorded; -1 if it
// found one that was not.
func identical(t *testing.T, rec *recording.Recording) (n int64) {
	t.Helper()
	r, err := replay.Run(rec, replay.Options{})
	if err != nil || r.Unusable != "" || r.Misplaced > 0 || r.Held != r.Refusals {
		return -1
	}
	for _, f := range r.Functions {
		if f.Diverged > 0 || f.Unusable != "" {
			return -1
		}
		n += f.Identical
	}
	return n
}

// forge changes one figure somewhere in a value, and says which; "" if there is none to
// change.
func forge(r *rand.Rand, v reflect.Value, path string) string {
	switch v.Kind() {
	case reflect.Struct:
		for _, i := range r.Perm(v.NumField()) {
			f := v.Type().Field(i)
			if !f.IsExported() {
				continue
			}
			if what := forge(r, v.Field(i), path+"."+f.Name); what != "" {
				return what
			}
		}
		return ""
	case reflect.Slice:
		if v.Len() == 0 {
			return ""
		}
		own := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(own, v)
		v.Set(own)
		i := r.IntN(v.Len())
		return forge(r, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
	case reflect.Pointer:
		if v.IsNil() {
			return ""
		}
		own := reflect.New(v.Type().Elem())
		own.Elem().Set(v.Elem())
		v.Set(own)
		return forge(r, own.Elem(), path)
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(v.Int() ^ 1<<r.IntN(min(v.Type().Bits(), 40)-1))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(v.Uint() ^ 1<<r.IntN(v.Type().Bits()))
	case reflect.Array:
		return forge(r, v.Index(r.IntN(v.Len())), path)
	default:
		return ""
	}
	return path
}
