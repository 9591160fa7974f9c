package world

import (
	"time"

	"simplane/core"
	"simplane/sim/internal/random"
)

// nobody is a name that no scenario's function has: it has a blank.
const nobody = "no body"

// mistake is a request that core must refuse, with no effect.
type mistake struct {
	what string
	want error // nil = a *core.ValidationError
	make func(w *World, b *backend) error
}

// mistakes are those of callers, callbacks and operators. The checker is not told what
// they might have done, so that any effect is seen as one that nobody asked for.
var mistakes = []mistake{
	{"cancel of an unknown execution", core.ErrExecutionGone, func(w *World, b *backend) error {
		_, err := w.core.Cancel(w.unknown(b))
		return err
	}},
	{"completion of an unknown execution", core.ErrExecutionGone, func(w *World, b *backend) error {
		_, err := w.core.Complete(w.unknown(b), 0, core.Outcome{Status: core.Success})
		return err
	}},
	{"deletion of an unknown function", core.ErrNotFound, func(w *World, _ *backend) error {
		_, err := w.core.Delete(nobody)
		return err
	}},
	{"update of an unknown function", core.ErrNotFound, func(w *World, b *backend) error {
		spec := *b.spec
		spec.Name = nobody
		_, err := w.core.Update(&spec, 0)
		return err
	}},
	{"drain-once of an unknown function", core.ErrNotFound, func(w *World, _ *backend) error {
		_, err := w.core.DrainOnce(nobody, func() { panic("an attempt of no function has ended") })
		return err
	}},
	{"replicas of an unknown function", core.ErrNotFound, func(w *World, _ *backend) error { return w.core.SetReplicas(nobody, 1) }},
	{"a figure of an unknown function", core.ErrNotFound, func(w *World, _ *backend) error { return w.core.ReportMetric(nobody, "cpu", "", 1) }},
	{"purge of an unknown function", core.ErrNotFound, func(w *World, _ *backend) error {
		_, _, err := w.core.PurgeDeadLetters(nobody)
		return err
	}},
	{"redrive of an unknown dead letter", core.ErrNotFound, func(w *World, b *backend) error {
		_, err := w.core.Redrive(b.name, w.unknown(b), 0)
		return err
	}},
	{"redrive of an unknown function", core.ErrNotFound, func(w *World, b *backend) error {
		_, err := w.core.Redrive(nobody, w.unknown(b), 0)
		return err
	}},
	{"disk for a call, without a journal", core.ErrNoJournal, func(w *World, b *backend) error {
		if w.node.disk != nil {
			return core.ErrNoJournal
		}
		spec := *b.spec
		spec.Durability = core.DurabilityDisk
		_, err := w.core.Register(&spec)
		return err
	}},
	{"sync admission out of its bounds", nil, func(w *World, b *backend) error {
		cfg := w.core.SyncQueue()
		switch b.luck.Below(3) {
		case 0:
			cfg.MaxDepth = -1
		case 1:
			cfg.MaxQueueWait = core.MaxSpan + 1
		case 2:
			cfg.RetryAfter = time.Millisecond
		}
		return w.core.SetSyncQueue(cfg)
	}},
	{"a configuration out of its bounds", nil, func(w *World, b *backend) error {
		cfg := w.core.Config()
		switch b.luck.Below(4) {
		case 0:
			cfg.RateMaxPerSecond = -1
		case 1:
			cfg.TTL = -time.Second
		case 2:
			cfg.SweepInterval = -1
		case 3:
			cfg.Shards = 1 << 20
		}
		return cfg.Validate()
	}},
	{"a spec out of its bounds", nil, func(w *World, b *backend) error {
		in := wrongSpec(b)
		_, err := core.ResolveSpec(in)
		return err
	}},
	{"a function more than the bound", core.ErrFunctionLimit, func(w *World, b *backend) error {
		registered := 0
		for _, b := range w.backends {
			if b.registered {
				registered++
			}
		}
		if registered == 0 || registered != w.sc.Core.MaxFunctions || w.node.disk != nil {
			return core.ErrFunctionLimit
		}
		spec := *b.spec
		spec.Name = nobody
		_, err := w.core.Register(&spec)
		return err
	}},
	{"a timeout that outlives its execution", nil, func(w *World, b *backend) error {
		spec := *b.spec
		spec.TimeoutMillis = core.MaxTimeoutMillis
		if err := w.core.CheckSpec(&spec); err != nil || w.sc.Core.StaleTTL >= time.Minute {
			return err
		}
		return &core.ValidationError{} // so short a staleTtl judges no timeout
	}},
}

// wrongSpec is one that cannot be resolved.
func wrongSpec(b *backend) core.SpecInput {
	name, minus, none, odd, big := b.name, -1, 0, "odd", 1<<30
	high, low, nan := 2.0, 3.0, -1.0
	in := core.SpecInput{Name: &name}
	switch b.luck.Below(14) {
	case 0:
		in.Name = nil
	case 1:
		in.Name = new(nobody)
	case 2:
		in.Concurrency = &none
	case 3:
		in.QueueSize = &big
	case 4:
		in.MaxRetries = &minus
	case 5:
		in.TimeoutMillis = &big
	case 6:
		in.Durability = &odd
	case 7:
		in.RetryBackoff = &core.RetryBackoffInput{Multiplier: &nan}
	case 8:
		one := 1
		in.RetryBackoff = &core.RetryBackoffInput{InitialMillis: new(2), MaxMillis: &one}
	case 9:
		in.ScalingConfig = &core.ScalingConfigInput{Strategy: &odd}
	case 10:
		in.ScalingConfig = &core.ScalingConfigInput{MinReplicas: new(3), MaxReplicas: new(2)}
	case 11:
		in.ScalingConfig = &core.ScalingConfigInput{Metrics: []core.ScalingMetric{{Type: "cpu"}, {Type: "prometheus", Target: 1}}}
	case 12:
		in.ScalingConfig = &core.ScalingConfigInput{ConcurrencyControl: &core.ConcurrencyControlInput{HighLoadThreshold: &high, LowLoadThreshold: &low}}
	case 13:
		in.ScalingConfig = &core.ScalingConfigInput{ConcurrencyControl: &core.ConcurrencyControlInput{MinTargetInFlightPerPod: new(9), MaxTargetInFlightPerPod: new(8), TargetInFlightPerPod: new(8)}}
	}
	return in
}

// remembered are executions that were dispatched: some of the latest.
type remembered struct {
	ids  [64]core.ID
	next int
}

func (r *remembered) add(id core.ID) {
	r.ids[r.next%len(r.ids)] = id
	r.next++
}

func (r *remembered) draw(luck *random.Stream) core.ID {
	return r.ids[luck.Below(min(r.next, len(r.ids)))]
}

// unknown is an id that core has never made.
func (w *World) unknown(b *backend) core.ID {
	return core.ID{0: 0xff, 14: byte(b.luck.Below(256)), 15: byte(b.luck.Below(256))}
}

// mistake makes one of the mistakes, which is drawn, or cancels or completes what was
// dispatched some time ago, which has ended or not.
func (w *World) mistake(b *backend) {
	if w.node.disk == nil && b.luck.Hit(0.4) && w.dispatched.ids[0] != (core.ID{}) {
		id := w.dispatched.draw(&b.luck)
		if b.luck.Hit(0.5) {
			w.cancel(b, id)
			return
		}
		o := w.success()
		w.witness.Completing(id, 0, o)
		_, err := w.core.Complete(id, 0, o)
		w.witness.Completed(err)
		return
	}
	m := &mistakes[b.luck.Below(len(mistakes))]
	w.witness.Mistaken(m.what, m.make(w, b), m.want)
}
