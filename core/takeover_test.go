package core

import (
	"fmt"
	"reflect"
	"slices"
)

// A replay takes over from a Base what may only matter much later, or is only shown. So the
// states of two replays are compared field by field, by what a Base lets one know.

// notTakenOver are fields that a Base does not have, or in another form.
var notTakenOver = []string{
	"fn", "older", "newer", "queuePos", "handoff", "restored", "evicted", "output", "err", "passed", // of an execution; the queue it is in says whether it is passed over
	"traceID", "trace", "facts", // of its extras: their sizes are one sum
	"spec", "policy", "arrivals", "reports", "timer", // of the autoscaler: by its own Base
}

// takenOver says in what a replay that begins with r's Base differs from r; "" = in nothing.
func takenOver(cfg ReplayConfig, r *Replay) string {
	base := r.Base()
	other, err := NewReplay(cfg, base)
	if err != nil {
		return err.Error()
	}
	for i := range base.Live {
		id := base.Live[i].ID
		a, b := r.known.find(id), other.known.find(id)
		if why := fieldDiffers("execution", reflect.ValueOf(a), reflect.ValueOf(b)); why != "" {
			return why
		}
		bytes := func(ex *execution) int64 { // without the texts of earlier attempts
			if ex.more == nil {
				return 0
			}
			return ex.more.payloadBytes() - attemptBytes(ex.more.attempts)
		}
		if bytes(a) != bytes(b) || a.lastFact() != b.lastFact() {
			return "the execution's bytes, or its last fact"
		}
	}
	f, g := r.fn, other.fn
	queued := func(r *ring) []ID { return r.base(&Base{}) }
	switch {
	case f.deleted != g.deleted, f.ready != g.ready, f.service != g.service, f.slots.Load() != g.slots.Load():
		return "the function"
	case f.replicasWanted.Load() != g.replicasWanted.Load(), f.replicasReady.Load() != g.replicasReady.Load():
		return "its replicas"
	case !slices.Equal(queued(&f.queue.fresh), queued(&g.queue.fresh)), !slices.Equal(queued(&f.queue.late), queued(&g.queue.late)):
		return "its queue"
	}
	return fieldDiffers("autoscaler", reflect.ValueOf(f.auto.Load()), reflect.ValueOf(g.auto.Load()))
}

// fieldDiffers names the first field in which two values differ: numbers in their value,
// texts and lists in their length, what is behind an interface or a function in being there.
func fieldDiffers(name string, a, b reflect.Value) string {
	differs := false
	switch a.Kind() {
	case reflect.Bool:
		differs = a.Bool() != b.Bool()
	case reflect.Int, reflect.Int32, reflect.Int64:
		differs = a.Int() != b.Int()
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		differs = a.Uint() != b.Uint()
	case reflect.Slice:
		differs = a.Len() != b.Len()
	case reflect.String:
		differs = (a.Len() == 0) != (b.Len() == 0)
	case reflect.Func, reflect.Interface:
		differs = a.IsNil() != b.IsNil()
	case reflect.Pointer:
		if differs = a.IsNil() != b.IsNil(); !differs && !a.IsNil() {
			return fieldDiffers(name, a.Elem(), b.Elem())
		}
	case reflect.Struct:
		for i := range a.NumField() {
			if field := a.Type().Field(i).Name; !slices.Contains(notTakenOver, field) {
				if why := fieldDiffers(name+"."+field, a.Field(i), b.Field(i)); why != "" {
					return why
				}
			}
		}
	}
	if differs {
		return fmt.Sprintf("%s: %v and %v", name, a, b)
	}
	return ""
}
