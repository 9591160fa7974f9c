package server

import (
	"testing"
	"testing/synctest"
	"time"

	"simplane/core"
)

// Not from the pool: a channel belongs to the bubble it was made in.
func freshWaiter() *syncWaiter { return &syncWaiter{woken: make(chan struct{}, 1)} }

func TestWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := core.Snapshot{Status: core.Success, Attempt: 7}
		before := freshWaiter()
		before.Wake(want)
		if got := before.wait(); got.Attempt != 7 {
			t.Errorf("woken before it waits: %+v", got)
		}

		parked := freshWaiter()
		go func() { time.Sleep(time.Hour); parked.Wake(want) }()
		if got := parked.wait(); got.Attempt != 7 {
			t.Errorf("woken while it waits: %+v", got)
		}

		for wake, ended := range map[time.Duration]bool{time.Minute: true, 3 * time.Minute: false} {
			limited := freshWaiter()
			go func() { time.Sleep(wake); limited.Wake(want) }()
			begin := time.Now()
			got, ok := limited.waitFor(2 * time.Minute)
			if ok != ended || ended && got.Attempt != 7 || time.Since(begin) != min(wake, 2*time.Minute) {
				t.Errorf("woken after %v with a limit of 2m: %v %v after %v", wake, got, ok, time.Since(begin))
			}
			synctest.Wait()
			time.Sleep(time.Hour) // a late Wake blocks nobody
		}
		already := freshWaiter()
		already.Wake(want)
		if got, ok := already.waitFor(0); !ok || got.Attempt != 7 {
			t.Errorf("woken before it waits, no time left: %+v %v", got, ok)
		}
	})
}

// offering is a dispatcher that leaves every call to the caller.
type offering struct {
	call   func(core.Task) core.Outcome
	took   []bool
	tasks  []core.Task
	before func() // runs between the offer and the caller's wait
}

func (d *offering) Dispatch(t core.Task) {
	d.tasks = append(d.tasks, t)
	took := offer(t, d.call)
	d.took = append(d.took, took)
	if d.before != nil {
		d.before()
	}
	if !took {
		t.Complete(d.call(t))
	}
}

func offeringCore(t *testing.T, d *offering) *core.Core {
	t.Helper()
	c, err := core.New(core.Config{}, newSystemClock(), randomIDs{}, d, nil)
	if err != nil {
		t.Fatal(err)
	}
	name, image := "f", "i"
	spec, err := core.ResolveSpec(core.SpecInput{Name: &name, Image: &image})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Register(spec); err != nil {
		t.Fatal(err)
	}
	return c
}

func submitAndWait(t *testing.T, c *core.Core, w *syncWaiter) core.Snapshot {
	t.Helper()
	if _, err := c.Submit(&core.Request{Function: "f", Sync: true, Input: []byte("1"), Waiter: w, WaiterToken: w.token}); err != nil {
		t.Fatal(err)
	}
	return w.wait()
}

func TestCallerMakesItsFirstCallItself(t *testing.T) {
	fail := true
	d := &offering{call: func(core.Task) core.Outcome {
		if fail {
			fail = false
			return core.Outcome{Status: core.Error, Code: "ONCE"}
		}
		return core.Outcome{Status: core.Success, Output: []byte("2")}
	}}
	got := submitAndWait(t, offeringCore(t, d), newWaiter())
	if got.Status != core.Success || got.Attempt != 2 {
		t.Fatalf("got %+v", got)
	}
	if len(d.took) != 2 || !d.took[0] || d.took[1] {
		t.Errorf("offers taken: %v; the first attempt is the caller's, a retry is not", d.took)
	}
}

func TestCallLeftToACallerWhoseExecutionEndedFreesItsSlot(t *testing.T) {
	d := &offering{call: func(core.Task) core.Outcome { t.Error("the call was made"); return core.Outcome{} }}
	c := offeringCore(t, d)
	d.before = func() {
		if err := c.Complete(d.tasks[0].ID, core.Outcome{Status: core.Success, Output: []byte("9")}); err != nil {
			t.Error(err)
		}
	}
	if got := submitAndWait(t, c, newWaiter()); string(got.Output) != "9" {
		t.Fatalf("got %+v", got)
	}
	if n := c.Function("f").InFlight(); n != 0 {
		t.Errorf("%d slots are taken", n)
	}
}

func TestOfferToAWaiterThatIsUsedAgainIsRefused(t *testing.T) {
	w := newWaiter()
	late := core.Task{Caller: w, CallerToken: w.token, Attempt: 1}
	w.Wake(core.Snapshot{})
	w.wait()
	w.token++ // as newWaiter does when it hands w out again
	w.state.Store(w.in(phaseFresh))
	if offer(late, func(core.Task) core.Outcome { return core.Outcome{} }) {
		t.Error("a job for the waiter's last user was put in")
	}
	if !offer(core.Task{Caller: w, CallerToken: w.token, Attempt: 1}, nil) {
		t.Error("a job for its present user was refused")
	}
}
