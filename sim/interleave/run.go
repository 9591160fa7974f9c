//go:build interleave

package interleave

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"simplane/core"
	"simplane/core/concurrent"
)

// Outcome is what came of a run.
type Outcome struct {
	Err     error // the broken rule; nil = none
	History uint64
	Points  int
	Made    []concurrent.Switch
	Seen    map[core.EventKind]int // while the tasks ran
	ToZero  int                    // of core.EventScaled
}

// options are those of a seed: one in five walks at random, the others use PCT.
func options(seed uint64) concurrent.Options {
	o := concurrent.Options{Seed: seed, Depth: int(seed % 5), Points: 600}
	if adapts(seed) { // those plans are shorter
		o.Points = 200
	}
	return o
}

// Run runs a plan under a scheduler.
func Run(p *Plan, opts concurrent.Options) (out Outcome) {
	opts.Limit = 200_000
	w := &world{plan: p, s: concurrent.NewScheduler(opts), calls: map[string]*call{}, letters: map[core.ID]bool{}, fleets: map[*core.Function]*fleet{}, over: true}
	w.j = &judge{w: w, domains: map[uint32]*domain{}, states: map[[8]byte]*state{}, keys: map[string]core.ID{}, seen: map[core.EventKind]int{}}
	cfg := core.Config{
		TTL: time.Second, CleanupTTL: time.Second / 2, StaleTTL: 2 * time.Second, IdempotencyTTL: time.Second, SweepInterval: 100 * time.Millisecond,
		Shards: p.Shards, SchedulerOff: p.Off, MaxExecutions: p.Room, RateMaxPerSecond: p.Rate, MaxDeadLetters: p.Letters, Recorder: w.j,
	}
	if p.Short {
		cfg.TTL, cfg.CleanupTTL, cfg.StaleTTL, cfg.SweepInterval = 40*time.Millisecond, 20*time.Millisecond, 80*time.Millisecond, 10*time.Millisecond
	}
	if p.Scaled {
		cfg.Scaler, cfg.AutoscaleInterval, cfg.ScaleToZeroGrace = w, 5*time.Millisecond, 10*time.Millisecond
		cfg.ScaleUpCooldown, cfg.ScaleDownCooldown, cfg.ScaleDownWindow = time.Millisecond, time.Millisecond, 5*time.Millisecond
	}
	if p.Backlog {
		cfg.OnBacklog = w.backlog
	}
	if p.Admits {
		cfg.SyncQueue = core.SyncQueueConfig{Enabled: true, MaxConcurrency: 1, MaxDepth: 2, MaxEstimatedWait: 5 * time.Millisecond, MaxQueueWait: 8 * time.Millisecond, RetryAfter: time.Second}
	}
	w.journal = &journal{w: w}
	if p.Journal {
		cfg.Journal, cfg.Specs = w.journal, specs{}
	}
	var err error
	if w.core, err = core.New(cfg, w, w, w, w.j); err != nil {
		return Outcome{Err: err}
	}
	if p.Journal {
		if err := w.core.Restore().Done(w.Now(), nil); err != nil {
			return Outcome{Err: err}
		}
	}
	full := w.core.Config()
	w.rec.Header.Config, w.rec.Header.Whole, w.rec.Header.Names = full.ForReplay(), true, true
	for fn := range functions {
		w.register(fn)
	}
	w.journal.settle()
	for i, ops := range p.Tasks {
		w.s.Go(fmt.Sprint("caller ", i), func() {
			for place, o := range ops {
				w.do(i, place, o)
			}
		})
	}
	w.over = false
	err = w.s.Run()
	seen, toZero := maps.Clone(w.j.seen), w.j.toZero
	w.over = true
	out = Outcome{History: w.s.History(), Points: w.s.Points(), Made: w.s.Made(), Seen: seen, ToZero: toZero}
	if err == nil {
		err = w.settle()
	} else if f := (*Failure)(nil); !errors.As(err, &f) {
		rule, _, _ := strings.Cut(err.Error(), ":")
		err = &Failure{"a run ends: " + strings.TrimRight(rule, "0123456789 "), err.Error()}
	}
	out.Err = err
	return out
}

// settle judges, and lets time pass, from one task, until nothing is left.
func (w *world) settle() error {
	w.journal.settle()
	w.j.quiet()
	for range 10_000 {
		if w.j.err != nil {
			return w.j.err
		}
		w.journal.settle()
		if len(w.later) > 0 {
			next := w.later[0]
			w.later = w.later[1:]
			next()
			continue
		}
		at := int64(0)
		for _, t := range w.timers {
			if t.at != 0 && (at == 0 || t.at < at) {
				at = t.at
			}
		}
		if at == 0 {
			break
		}
		w.pass(max(at-w.mono, 0))
	}
	w.j.end()
	return w.j.err
}

// rule is the name of the rule that a run breaks; "" = none.
func (o *Outcome) rule() string {
	if f := (*Failure)(nil); errors.As(o.Err, &f) {
		return f.Rule
	}
	return ""
}

// Shrink makes a plan and its switches smaller while they break the same rule: calls go,
// each tried under some seeds, and then switches.
func Shrink(p *Plan, opts concurrent.Options) (*Plan, []concurrent.Switch, Outcome) {
	first := Run(p, opts)
	same := func(p *Plan, o concurrent.Options) (Outcome, bool) {
		out := Run(p, o)
		return out, out.Err != nil && out.rule() == first.rule()
	}
	for smaller := true; smaller; {
		smaller = false
		for t := range p.Tasks {
			for i := 0; i < len(p.Tasks[t]); i++ {
				q := *p
				q.Tasks = slices.Clone(p.Tasks)
				q.Tasks[t] = slices.Delete(slices.Clone(p.Tasks[t]), i, i+1)
				for seed := range uint64(100) {
					try := options(opts.Seed + seed)
					if out, ok := same(&q, try); ok {
						p, opts, first, smaller = &q, try, out, true
						i--
						break
					}
				}
			}
		}
	}
	left := first.Made
	for i := 0; i < len(left); i++ {
		fewer := slices.Delete(slices.Clone(left), i, i+1)
		if out, ok := same(p, concurrent.Options{Follow: append([]concurrent.Switch{}, fewer...)}); ok {
			left, first, i = fewer, out, i-1
		}
	}
	return p, left, first
}
