package api

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
			got, ok := limited.waitFor(2*time.Minute, nil, nil)
			if ok != ended || ended && got.Attempt != 7 || time.Since(begin) != min(wake, 2*time.Minute) {
				t.Errorf("woken after %v with a limit of 2m: %v %v after %v", wake, got, ok, time.Since(begin))
			}
			synctest.Wait()
			time.Sleep(time.Hour) // a late Wake blocks nobody
		}
		already := freshWaiter()
		already.Wake(want)
		if got, ok := already.waitFor(0, nil, nil); !ok || got.Attempt != 7 {
			t.Errorf("woken before it waits, no time left: %+v %v", got, ok)
		}
	})
}
