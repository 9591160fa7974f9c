package world

import (
	"encoding/json"
	"time"
	"unsafe"

	"simplane/core"
	"simplane/sim/scenario"
)

// What operators, and functions that answer by a callback, do to executions.

// act is an arrival of a load that makes no calls.
func (w *World) act(l *load) {
	b := l.backend
	switch l.calls.Decl.Mode {
	case "redrive":
		w.redrive(b, 1)
		return
	case "drain-once":
		w.drainOnce(b)
		return
	case "mistake":
		w.mistake(b)
		return
	}
	ids := w.witness.Unended(b.number)
	if len(ids) == 0 {
		return
	}
	id := ids[b.luck.Below(len(ids))]
	if l.calls.Decl.Mode == "cancel" {
		w.cancel(b, id)
	} else {
		w.complete(l, id)
	}
}

func (w *World) cancel(b *backend, id core.ID) {
	w.witness.Cancelling(id)
	s, err := w.core.Cancel(id)
	w.witness.Cancelled(id, &s, err)
	if w.node.disk != nil {
		w.witness.Conditional(b.number, id, s.LSN)
	}
	if err == nil && w.node.disk != nil {
		w.witness.Rests(0, id, s.LSN)
	}
}

// outside is a completion from outside. Most callbacks name no attempt; some are of an
// early one, which may be over.
func (w *World) outside(l *load) (attempt int, o core.Outcome) {
	b := l.backend
	o = w.success()
	if b.luck.Hit(l.calls.Decl.FailureRate) {
		o = core.Outcome{Status: core.Error, Code: b.long(CodeFailed), Message: b.long(w.tokens.text("outside ", 17))}
		if b.luck.Hit(0.2) {
			o = core.Outcome{Status: core.Timeout}
		}
	}
	if b.luck.Hit(0.3) {
		attempt = 1 + b.luck.Below(2)
	}
	if o.ColdStart = b.luck.Hit(0.2); o.ColdStart && b.luck.Hit(0.5) { // or it does not say how long it took
		o.Init = time.Duration(1+b.luck.Below(5_000_000)) * time.Microsecond
	}
	return attempt, o
}

// complete ends an execution from outside.
func (w *World) complete(l *load, id core.ID) {
	attempt, o := w.outside(l)
	w.witness.Completing(id, attempt, o)
	at, err := w.core.Complete(id, attempt, o)
	w.witness.Completed(err)
	if err == nil && w.node.disk != nil {
		w.witness.Conditional(l.backend.number, id, at)
	}
	if err == nil && at != 0 && w.node.disk != nil {
		w.witness.Rests(0, id, at)
	}
}

func (w *World) drainOnce(b *backend) {
	w.witness.DrainingOnce(b.number)
	life := w.node.life
	did, err := w.core.DrainOnce(b.name, func() {
		if life == w.node.life {
			w.witness.DrainEnded(b.number)
		}
	})
	w.witness.DrainedOnce(b.number, did, err)
}

// configure changes a setting of core.
func (w *World) configure(f *scenario.Fault) {
	var err error
	switch f.Kind {
	case "drain":
		w.core.Drain()
	case "set-rate":
		w.core.SetRateMaxPerSecond(*f.Rate)
	case "set-sync-queue":
		err = w.core.SetSyncQueue(SyncQueue(f.SyncQueue))
	}
	w.witness.Configured(f, err)
	if err == nil && f.Kind != "drain" && w.node.disk != nil {
		w.saveSettings()
	}
}

// settings are what an operator changes while a process runs, as the journal keeps them
// for the next one.
type settings struct {
	RateMaxPerSecond int64
	SyncQueue        core.SyncQueueConfig
}

func (w *World) saveSettings() {
	stored, err := json.Marshal(settings{w.core.RateMaxPerSecond(), w.core.SyncQueue()})
	if err != nil {
		panic(err) // numbers only
	}
	w.witness.Saved(w.core.SaveConfig(stored))
}

// RestoreSettings puts the settings that were saved last in force; nil = none were.
func RestoreSettings(c *core.Core, stored []byte) error {
	s, ok, err := SettingsOf(stored)
	if err != nil || !ok {
		return err
	}
	c.SetRateMaxPerSecond(s.RateMaxPerSecond)
	return c.SetSyncQueue(s.SyncQueue)
}

// SettingsOf reads settings; false for nil.
func SettingsOf(stored []byte) (s core.Config, ok bool, err error) {
	var saved settings
	if stored == nil {
		return s, false, nil
	}
	err = json.Unmarshal(stored, &saved)
	s.RateMaxPerSecond, s.SyncQueue = saved.RateMaxPerSecond, saved.SyncQueue
	return s, true, err
}

// cancelMemory is the end of a drain: what the next process does not go on with.
func (w *World) cancelMemory() {
	w.witness.CancellingMemory()
	w.core.CancelMemory()
	w.witness.CancelledMemory()
}

// Cancel implements core.Canceller. The attempt goes on, as one does that cannot be
// stopped: its answer is late.
func (w *World) Cancel(id core.ID, attempt int) { w.witness.BrokenOff(id, attempt) }

// SyncQueue is a scenario's sync admission as core has it.
func SyncQueue(q *scenario.SyncQueue) core.SyncQueueConfig {
	cfg := core.DefaultConfig().SyncQueue
	cfg.Enabled, cfg.EstimateDisabled, cfg.MaxConcurrency, cfg.MaxDepth = q.Enabled, q.EstimateDisabled, q.MaxConcurrency, q.MaxDepth
	cfg.MaxEstimatedWait, cfg.MaxQueueWait = q.MaxEstimatedWait, q.MaxQueueWait
	return cfg
}

// forget has a caller take its wait back.
func (w *World) forget(i int32) {
	c := w.forgetting[i]
	w.forgetting[i] = nil
	if w.core == nil {
		return
	}
	w.witness.Forgetting(c)
	w.core.Forget(c.Execution, c)
}

// OnBacklog is core.Config.OnBacklog where the backlog is deferred; nil otherwise.
func (w *World) OnBacklog() func() {
	if w.sc.Core.Backlog != scenario.Backlogs[1] {
		return nil
	}
	return func() {
		if !w.backlog {
			w.backlog = true
			w.pumps.In(0, w.node.life)
		}
	}
}

// pumpBudget is how many turns a pump takes before other events have theirs.
const pumpBudget = 16

// pump serves the functions that calls have left.
func (w *World) pump(life int32) {
	w.backlog = false
	if life == w.node.life && w.core != nil && w.core.Pump(pumpBudget) && !w.backlog {
		w.backlog = true
		w.pumps.In(0, life)
	}
}

// lend has a call bring its input and key in memory that the caller will use again.
func (w *World) lend(r *core.Request) {
	if r.Borrowed = w.sc.Core.BorrowedInputs; !r.Borrowed {
		return
	}
	w.scratch = append(append(w.scratch[:0], r.Input...), r.Metadata...)
	texts := []*string{&r.IdempotencyKey, &r.TraceID, &r.Trace.Parent, &r.Trace.State}
	for _, s := range texts {
		w.scratch = append(w.scratch, *s...)
	}
	left := w.scratch
	take := func(n int) []byte {
		b := left[:n:n]
		left = left[n:]
		return b
	}
	r.Input = take(len(r.Input))
	if metadata := take(len(r.Metadata)); r.Metadata != nil {
		r.Metadata = metadata
	}
	for _, s := range texts {
		if b := take(len(*s)); len(b) > 0 {
			*s = unsafe.String(&b[0], len(b))
		}
	}
}

// takeBack uses it again.
func (w *World) takeBack(r *core.Request) {
	if !r.Borrowed {
		return
	}
	for i := range w.scratch {
		w.scratch[i] = '#'
	}
}
