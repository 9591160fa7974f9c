package core

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// recordedDay records a bit of everything that a function goes through, and
// returns what is recorded of each function.
func recordedDay(t testing.TB) (ReplayConfig, map[uint32]*track) {
	c, ok := t.(checker)
	if !ok {
		t.Fatal("no checker")
	}
	tp := &tape{}
	b := newBed(c, func(cfg *Config) {
		cfg.Recorder = tp
		cfg.TTL, cfg.CleanupTTL, cfg.StaleTTL = 20*time.Second, 5*time.Second, 10*time.Minute
	})
	random := rand.New(rand.NewPCG(1, 2))
	b.register("a", slots(2), queueSize(5), retries(2), timeout(2*time.Second))
	b.register("b", slots(1), queueSize(3), pausing(RetryBackoff{100, 400, 2, 0.5}))
	var waiters []*wakes
	var ids []ID
	for i := range 600 {
		name := []string{"a", "b"}[random.IntN(2)]
		switch random.IntN(12) {
		case 0, 1, 2:
			if res, err := b.Submit(&Request{Function: name, Input: make([]byte, random.IntN(100)), Metadata: []byte("{}")}); err == nil {
				ids = append(ids, res.ID)
			}
		case 3, 4, 5:
			w := &wakes{}
			waiters = append(waiters, w)
			if res, err := b.Submit(&Request{Function: name, Sync: true, Input: []byte("1"), Waiter: w, IdempotencyKey: []string{"", "k"}[random.IntN(2)]}); err == nil {
				ids = append(ids, res.ID)
			}
		case 6, 7:
			if b.work.pending() > 0 {
				b.work.next(c).Complete(Outcome{Status: Success, Output: make([]byte, random.IntN(50)), ColdStart: i%2 == 0})
			}
		case 8:
			if b.work.pending() > 0 {
				b.work.next(c).Complete(Outcome{Status: Error, Code: "BOOM", Message: "it broke", RetryAfter: time.Duration(random.IntN(2)) * time.Second})
			}
		case 9:
			if len(ids) > 0 {
				id := ids[random.IntN(len(ids))]
				if random.IntN(2) == 0 {
					_, _ = b.Cancel(id)
				} else if len(waiters) > 0 {
					b.Forget(id, waiters[random.IntN(len(waiters))])
				}
			}
		case 10:
			b.clock.advance(time.Duration(random.IntN(1500)) * time.Millisecond)
		case 11:
			if random.IntN(5) == 0 {
				if _, err := b.Update(spec(c, name, slots(1+random.IntN(3)), queueSize(1+random.IntN(5)), retries(random.IntN(3))), 0); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if _, err := b.Delete("a"); err != nil {
		t.Fatal(err)
	}
	b.clock.advance(time.Minute)
	return b.Config().forReplay(), tp.tracks()
}

func (cfg Config) forReplay() ReplayConfig { return cfg.ForReplay() }

// TestReplayFindsEveryChange changes one bit of one field of one record, and then
// the replay must not come out as it did.
func TestReplayFindsEveryChange(t *testing.T) {
	cfg, tracks := recordedDay(t)
	random := rand.New(rand.NewPCG(3, 4))
	fields := reflect.TypeFor[Step]().NumField()
	changed := make([]int, fields)
	for range 3000 {
		tr := tracks[1+random.Uint32N(2)]
		from := tr.first[0]
		step := random.IntN(len(tr.steps))
		was := tr.steps[step]
		if _, unverified, bad, _ := (&track{steps: tr.steps[:step+1], bases: tr.bases}).replay(cfg, from); bad != nil {
			t.Fatalf("unchanged, it is %v: %s", bad.Result, bad.Why)
		} else if unverified > 0 && random.IntN(50) > 0 { // most of them come late
			continue
		}
		again := append([]Step(nil), was...)
		s := &again[random.IntN(len(again))]
		field := random.IntN(fields)
		changeField(reflect.ValueOf(s).Elem().Field(field), random)
		tr.steps[step] = again
		_, before, _, _ := (&track{steps: tr.steps[:step], bases: tr.bases}).replay(cfg, from)
		_, after, bad, _ := tr.replay(cfg, from)
		tr.steps[step] = was
		if bad == nil && after == before {
			t.Fatalf("step %v: %s of a record changed from %+v to %+v: identical", was[0].Kind, reflect.TypeFor[Step]().Field(field).Name, was, again)
		}
		changed[field]++
	}
	for field, n := range changed {
		if n < 20 {
			t.Errorf("%s was changed %d times only", reflect.TypeFor[Step]().Field(field).Name, n)
		}
	}
}

// changeField flips a bit.
func changeField(v reflect.Value, random *rand.Rand) {
	switch v.Kind() {
	case reflect.Array:
		changeField(v.Index(random.IntN(v.Len())), random)
	case reflect.Int64:
		v.SetInt(v.Int() ^ 1<<random.IntN(63))
	default:
		v.SetUint(v.Uint() ^ 1<<random.IntN(v.Type().Bits()))
	}
}

// TestReplayOfOtherSettings: what decides otherwise is found.
func TestReplayOfOtherSettings(t *testing.T) {
	cfg, tracks := recordedDay(t)
	for name, change := range map[string]func(*ReplayConfig, *Spec){
		"queueSize":  func(_ *ReplayConfig, s *Spec) { s.QueueSize = 1 },
		"maxRetries": func(_ *ReplayConfig, s *Spec) { s.MaxRetries = 0 },
		"slots":      func(_ *ReplayConfig, s *Spec) { s.Concurrency++ },
		"cleanupTtl": func(cfg *ReplayConfig, _ *Spec) { cfg.CleanupTTL *= 2 },
		"scheduler":  func(cfg *ReplayConfig, _ *Spec) { cfg.SchedulerOff = true },
	} {
		found := 0
		for domain, tr := range tracks { // an update may come before the first that it matters to
			other, from, spec := cfg, *tr.first[0], *tr.first[0].Spec
			change(&other, &spec)
			from.Spec = &spec
			switch _, _, bad, _ := tr.replay(other, &from); {
			case bad == nil:
			case bad.Result != ReplayDiverged:
				t.Errorf("function %d with another %s: %v: %s", domain, name, bad.Result, bad.Why)
			default:
				found++
			}
		}
		if found == 0 {
			t.Errorf("another %s: identical", name)
		}
	}
}

// BenchmarkReplay is how fast a recording is replayed, in steps.
func BenchmarkReplay(b *testing.B) {
	cfg, tracks := recordedDay(b)
	n := 0
	for b.Loop() {
		for _, tr := range tracks {
			steps, _, bad, _ := tr.replay(cfg, tr.first[0])
			if bad != nil {
				b.Fatal(bad.Why)
			}
			n += steps
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "steps/s")
}
