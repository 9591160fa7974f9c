package core

import (
	"fmt"
	"testing"
	"time"
)

func passOver(on bool) func(*Config) { return func(c *Config) { c.PassOverLate = on } }

// train lets fn succeed often enough, each time after d, for its service time
// to be known.
func (b *bed) train(fn string, d time.Duration) {
	b.t.Helper()
	for range 40 {
		b.invoke(fn)
		b.clock.advance(d)
		b.work.next(b.t).Complete(Outcome{Status: Success})
	}
}

func TestALateHeadLetsOthersGoFirst(t *testing.T) {
	b := newBed(t, passOver(true))
	b.register("f", slots(1), timeout(100*time.Millisecond))
	b.train("f", 30*time.Millisecond)

	first, _ := b.invoke("f")
	late, lateCaller := b.invoke("f")
	b.clock.advance(60 * time.Millisecond)
	fresh, _ := b.invoke("f")
	last, _ := b.invoke("f")
	b.clock.advance(20 * time.Millisecond)
	b.work.next(t).Complete(Outcome{Status: Success})
	b.wantStatus(first, Success)

	// 20 ms are left for the head, which takes 30.
	b.wantStatus(late, Queued)
	b.wantStatus(fresh, Running)
	b.wantLoad("f", 2, 1)
	b.clock.advance(20*time.Millisecond - 1)
	b.wantStatus(late, Queued) // to its own deadline, not a moment less
	b.clock.advance(1)
	wantEqual(t, "the late caller is told", lateCaller.only(t).Status, Timeout)
	b.clock.advance(10 * time.Millisecond)
	b.work.next(t).Complete(Outcome{Status: Success})
	b.wantStatus(fresh, Success)
	b.wantStatus(last, Running)
}

func TestALateHeadRunsWhenNobodyElseWould(t *testing.T) {
	for _, behind := range []string{"nobody", "as late", "switched off"} {
		t.Run(behind, func(t *testing.T) {
			b := newBed(t, passOver(behind != "switched off"))
			b.register("f", slots(1), timeout(100*time.Millisecond))
			b.train("f", 30*time.Millisecond)
			b.invoke("f")
			head, _ := b.invoke("f")
			if behind == "as late" {
				b.invoke("f")
				b.invoke("f")
			}
			b.clock.advance(80 * time.Millisecond)
			if behind == "switched off" {
				b.invoke("f")
			}
			b.work.next(t).Complete(Outcome{Status: Success})
			if behind == "as late" {
				b.wantLoad("f", 2, 1) // somebody runs: an idle slot helps no one
				return
			}
			b.wantStatus(head, Running)
		})
	}
}

// An estimate that is far off must not keep a function from running at all.
func TestWorkWithHalfItsTimeLeftIsNeverLate(t *testing.T) {
	b := newBed(t, passOver(true))
	b.register("f", slots(1), timeout(100*time.Millisecond))
	fn := b.Function("f")
	for range 100 {
		fn.service.add(int64(time.Hour))
	}
	b.invoke("f")
	head, _ := b.invoke("f")
	b.invoke("f")
	b.clock.advance(50 * time.Millisecond)
	b.work.next(t).Complete(Outcome{Status: Success})
	b.wantStatus(head, Running)
}

func TestAsyncWorkIsNeverLate(t *testing.T) {
	b := newBed(t, passOver(true))
	b.register("f", slots(1), timeout(100*time.Millisecond))
	b.train("f", 30*time.Millisecond)
	b.invoke("f")
	head := b.enqueue("f")
	b.enqueue("f")
	b.clock.advance(90 * time.Millisecond)
	b.work.next(t).Complete(Outcome{Status: Success})
	b.wantStatus(head, Running)
}

// goodput offers times the capacity to a function with 40 ms of service (±10)
// and callers who wait 500 ms, and returns the share of the capacity that ends
// in success.
func goodput(t *testing.T, times float64, on bool) float64 {
	b := newBed(t, passOver(on))
	b.register("f", slots(4), queueSize(100), timeout(500*time.Millisecond))
	service := func(n int) time.Duration { return time.Duration(30+n*7%21) * time.Millisecond }
	n := 0
	b.work.run = func(task Task) bool {
		n++
		b.clock.AfterFunc(service(n), func() { task.Complete(Outcome{Status: Success}) })
		return true
	}
	const capacity, seconds = 100, 30
	gap := time.Duration(float64(time.Second) / (capacity * times))
	var callers []*wakes
	for range int(seconds * capacity * times) {
		b.clock.advance(gap)
		w := &wakes{}
		if _, err := b.Submit(&Request{Function: "f", Sync: true, Input: []byte("1"), Waiter: w}); err == nil {
			callers = append(callers, w)
		}
	}
	b.clock.advance(time.Second)
	good := 0
	for _, w := range callers {
		if w.only(t).Status == Success {
			good++
		}
	}
	return float64(good) / (seconds * capacity)
}

// Those passed over must not come back to the head while others still can
// make it, however full the queue is and however long it stays so.
func TestPassedOverStayBehind(t *testing.T) {
	b := newBed(t, passOver(true))
	b.register("f", slots(1), timeout(100*time.Millisecond))
	b.train("f", 30*time.Millisecond)
	b.invoke("f")
	late, _ := b.invoke("f")
	later, _ := b.invoke("f")
	b.clock.advance(80 * time.Millisecond)
	var fresh []ID
	for range 3 { // each arrives after the late ones were passed over
		id, _ := b.invoke("f")
		fresh = append(fresh, id)
		b.work.next(t).Complete(Outcome{Status: Success})
		b.wantStatus(id, Running)
		b.wantStatus(late, Queued)
		b.wantStatus(later, Queued)
		b.clock.advance(time.Millisecond)
	}
	b.wantLoad("f", 2, 1)
	b.work.next(t).Complete(Outcome{Status: Success})
	b.wantStatus(late, Running) // in order among themselves
	b.wantStatus(later, Queued)
	b.wantStatus(fresh[2], Success)
	b.clock.advance(17 * time.Millisecond)
	b.wantStatus(later, Timeout)
	b.wantLoad("f", 0, 1)
}

// The reason for all this: without it most work at 2x is for callers who have
// just given up.
func TestGoodputIsKeptUnderOverload(t *testing.T) {
	alone(t)
	for _, times := range []float64{0.9, 1.2, 2, 5} {
		t.Run(fmt.Sprint(times), func(t *testing.T) {
			with, without := goodput(t, times, true), goodput(t, times, false)
			t.Logf("goodput %.0f%% of the capacity, without passing over %.0f%%", 100*with, 100*without)
			if want := 0.85 * min(times, 1); with < want {
				t.Errorf("goodput is %.0f%% of the capacity, want %.0f%%", 100*with, 100*want)
			}
			if times >= 2 && without > 0.6 {
				t.Errorf("without passing over goodput is %.0f%%: this test proves nothing", 100*without)
			}
		})
	}
}

// An attempt that answers after its own time has lost its slot, and says nothing of how
// long others take: one that answers after its caller's time, and within its own, does.
func TestAnswersAfterTheAttemptsTimeAreNotCounted(t *testing.T) {
	b := newBed(t, passOver(true))
	b.register("f", slots(1), timeout(100*time.Millisecond))
	fn := b.Function("f")
	b.invoke("f")
	b.invoke("f")
	first := b.work.next(t)
	b.clock.advance(90 * time.Millisecond)
	first.Complete(Outcome{Status: Success})
	second := b.work.next(t)
	b.clock.advance(50 * time.Millisecond) // its caller has been told of a timeout
	second.Complete(Outcome{Status: Success})
	if fn.service.samples != 2 {
		t.Fatalf("%d attempts are counted, want both within their time", fn.service.samples)
	}
	b.invoke("f")
	third := b.work.next(t)
	b.clock.advance(150 * time.Millisecond)
	third.Complete(Outcome{Status: Success})
	if fn.service.samples != 2 {
		t.Fatal("an attempt is counted that answered after its own time")
	}
}
