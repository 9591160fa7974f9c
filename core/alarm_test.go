package core

import "testing"

// alarmed is a tape that hears alarms.
type alarmed struct {
	tape
	why []string
}

func (a *alarmed) Broken(_ *Function, why string) { a.why = append(a.why, why) }

func TestAlarm(t *testing.T) {
	for name, damage := range map[string]func(*Function){
		"slots":   func(fn *Function) { fn.running.Store(-2) },
		"depth":   func(fn *Function) { fn.depth.Store(3) },
		"lanes":   func(fn *Function) { fn.queue.late.live++ },
		"pauses":  func(fn *Function) { fn.pauses.Store(-1) },
		"waiting": func(fn *Function) { fn.syncQueued = -1 },
	} {
		a := &alarmed{}
		b := newBed(t, func(cfg *Config) { cfg.Recorder = a })
		fn := b.register("f", slots(1))
		b.enqueue("f")
		b.enqueue("f")
		wantEqual(t, name+": alarms before", len(a.why), 0)
		fn.mu.Lock()
		damage(fn)
		fn.mu.Unlock()
		b.ReplicasReady("f", 2) // any step
		wantEqual(t, name+": alarms", len(a.why), 1)
	}
}
