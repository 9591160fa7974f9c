package sim

import (
	"time"

	"simplane/core"
	"simplane/sim/internal/world"
	"simplane/sim/scenario"
)

// Settings, what a process that drains leaves, attempts that nobody wants and rates, over
// restarts.

// settingsModel is what settings must be after a restart.
type settingsModel struct {
	first core.Config          // those of the scenario
	at    core.LSN             // of the newest; 0 = none
	rates map[string]*secondly // by function; "" is of all
}

// secondly is what was taken of a limit in the newest second that anything was.
type secondly struct {
	second, taken int64
	most          int64 // the highest limit of the second
	none          bool  // there was a time without one
}

// Saved implements world.Witness.
func (d *durable) Saved(at core.LSN) {
	if got := d.core.SettingsAt(); got != at {
		d.fail("settings are kept", "they were put into the journal at %d, and core says that its newest are at %d", at, got)
	}
	d.settings.at = at
}

// restoredSettings compares the settings in force with the newest that the journal has.
func (d *durable) restoredSettings() {
	var stored []byte
	var newest core.LSN
	d.disk.Each(func(at core.LSN, f *core.Fact) {
		if f.Kind == core.FactConfig {
			stored, newest = f.Data, at
		}
	})
	want, ok, err := world.SettingsOf(stored)
	if !ok {
		want = d.settings.first
	}
	switch {
	case err != nil:
		d.fail("settings are kept", "those at %d: %v", newest, err)
	case d.core.RateMaxPerSecond() != want.RateMaxPerSecond || d.core.SyncQueue() != want.SyncQueue:
		d.fail("settings are kept", "a rate of %d and sync admission %+v are in force; the newest in the journal, at %d, are %d and %+v", d.core.RateMaxPerSecond(), d.core.SyncQueue(), newest, want.RateMaxPerSecond, want.SyncQueue)
	case newest < d.settings.at && len(d.losses.lost) == 0:
		d.fail("settings are kept", "those at %d were durable, and the newest in the journal are at %d", d.settings.at, newest)
	}
	d.settings.at = newest
}

// oneConfig checks that settings that were replaced are released.
func (d *durable) oneConfig() {
	n := 0
	d.disk.Each(func(_ core.LSN, f *core.Fact) {
		if f.Kind == core.FactConfig {
			n++
		}
	})
	if n > 1 {
		d.fail("facts go when nobody needs them", "the journal has %d facts of settings", n)
	}
}

// unfinished compares what core has to leave to the next process with the accounts.
func (d *durable) unfinished() {
	n := 0
	for _, a := range d.accounts {
		if a.isDurable && !a.over {
			n++
		}
	}
	if got := d.core.UnfinishedDurable(); got != n {
		d.fail("conservation", "core says that %d executions of the journal have not ended, its events add up to %d", got, n)
	}
}

// Configured implements world.Witness.
func (d *durable) Configured(f *scenario.Fault, err error) {
	d.witness.Configured(f, err)
	if f.Kind == "drain" {
		d.leaving = true
	}
}

// Forgetting implements world.Witness.
func (d *durable) Forgetting(c *world.Caller) {
	if a := d.accounts[c.Execution]; a != nil && a.waiting > 0 {
		a.waiting--
	}
}

// Completing implements world.Witness.
func (d *durable) Completing(id core.ID, _ int, _ core.Outcome) { d.completing = id }

// Completed implements world.Witness.
func (d *durable) Completed(error) { d.completing = core.ID{} }

// DrainedOnce implements world.Witness.
func (d *durable) DrainedOnce(_ int, did bool, _ error) {
	if d.drainsOnce = false; did {
		d.drains++
	}
}

// DrainEnded implements world.Witness.
func (d *durable) DrainEnded(int) { d.drains-- }

// drained checks that the end of each attempt that drain-once has started was said.
func (d *durable) drained() {
	if d.drains != 0 {
		d.fail("drain once", "%d attempts have ended and are not said to", d.drains)
	}
}

// CancellingMemory implements world.Witness.
func (d *durable) CancellingMemory() { d.cancellingAll = true }

// CancelledMemory implements world.Witness.
func (d *durable) CancelledMemory() {
	d.cancellingAll = false
	for _, a := range d.inOrder() {
		if !a.isDurable && !a.over {
			d.fail("all memory is cancelled", "execution #%d has not ended", a.rec.number)
		}
	}
	d.unfinished()
}

// over notes an execution's end, as core observes it.
func (d *durable) over(ev *core.Event, a *account) {
	if a == nil {
		return
	}
	a.over = true
	if d.cancellingAll && a.isDurable {
		d.fail("all memory is cancelled", "execution #%d ended, which the next process goes on with", a.rec.number)
	}
	if held := ev.At.Mono - a.dispatchedAt; !d.nodes && ev.Status == core.Timeout && ev.Code == "" && a.running && a.isDurable && d.completing != ev.ID && held != a.timeout {
		d.fail("timeouts", "execution #%d timed out %d ns after attempt %d was dispatched; its timeout is %d", a.rec.number, held, a.newest, a.timeout)
	}
	if ev.Code == core.CodeCancelled && a.running && a.slot {
		a.breakOff = a.newest
	}
}

// BrokenOff implements world.Witness.
func (d *durable) BrokenOff(id core.ID, attempt int) {
	a := d.accounts[id]
	switch {
	case a == nil || a.breakOff != int32(attempt):
		d.fail("attempts are broken off", "attempt %d of execution %v is broken off, and nobody has cancelled it while it ran", attempt, id)
		return
	case a.isDurable && !a.status.Terminal():
		d.fail("an answer follows its facts", "attempt %d of execution #%d is broken off, and its end is not durable", attempt, a.rec.number)
	}
	a.breakOff = 0
}

// unbroken checks that what was cancelled has been broken off, now that its end is durable.
func (d *durable) unbroken(a *account) {
	if a.breakOff != 0 && a.status.Terminal() {
		d.fail("attempts are broken off", "attempt %d of execution #%d goes on, which was cancelled", a.breakOff, a.rec.number)
	}
}

// acquired counts a call against the limits: no second has more than the highest limit
// that was in force in it, whatever processes ended in it.
func (d *durable) acquired(ev *core.Event, f *generation) {
	d.takes("", ev.At.Wall/int64(time.Second), d.core.RateMaxPerSecond())
	d.takes(f.name, ev.At.Wall/int64(time.Second), f.core.Spec().RateMaxPerSecond)
}

func (d *durable) takes(of string, second, limit int64) {
	r := d.settings.rates[of]
	if r == nil {
		r = &secondly{second: -1}
		d.settings.rates[of] = r
	}
	if second > r.second {
		*r = secondly{second: second}
	}
	r.taken++
	r.most = max(r.most, limit)
	r.none = r.none || limit <= 0
	if r.taken > r.most && !r.none {
		d.fail("rate window", "%d calls are taken in a second (of %q) with a limit of %d", r.taken, of, r.most)
	}
}
