package core

import (
	"sync"
	"testing"
	"time"
)

func TestUpdateKeepsQueueSlotsAndHistory(t *testing.T) {
	b := newBed(t)
	fn := b.register("f", slots(1), queueSize(3), retries(0))
	running := b.enqueue("f")
	queued := []ID{b.enqueue("f"), b.enqueue("f"), b.enqueue("f")}
	got, err := b.Update(spec(t, "f", slots(2), queueSize(1), retries(2), timeout(time.Second)), 1)
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "generation", got.Generation, 2)
	wantEqual(t, "the function", b.Function("f"), fn)
	b.wantLoad("f", 2, 2) // the new slot has work at once
	b.wantStatus(running, Running)
	b.wantStatus(queued[0], Running)
	_, err = b.Submit(&Request{Function: "f", Input: []byte("1")})
	wantEqual(t, "into a queue above its new size", err, error(ErrQueueFull))

	old := b.work.next(t)
	wantEqual(t, "timeout of what was accepted before", old.Timeout, 30*time.Second)
	old.Complete(failure("BOOM"))
	b.wantStatus(running, Error) // its retry finds no room in the smaller queue
	wantEqual(t, "its error", b.state(running).Err.Code, CodeQueueFull)
	for range 3 {
		b.work.next(t).Complete(success("1"))
	}
	for _, id := range queued {
		b.wantStatus(id, Success)
	}
	b.enqueue("f")
	wantEqual(t, "timeout of what comes after", b.work.next(t).Timeout, time.Second)
}

func TestUpdateChangesRatesAndScaling(t *testing.T) {
	b := newBed(t)
	b.register("f")
	b.update("f", func(in *SpecInput) { in.RateMaxPerSecond = ptr(int64(1)) })
	b.enqueue("f")
	_, err := b.Submit(&Request{Function: "f", Input: []byte("1")})
	wantEqual(t, "over the new rate", err, error(ErrRateLimited))
	b.update("f")
	b.enqueue("f")

	_, err = b.Update(spec(t, "f"), 1)
	wantEqual(t, "an old generation", err, error(ErrGenerationConflict))
	_, err = b.Update(spec(t, "nobody"), 0)
	wantEqual(t, "unknown", err, error(ErrNotFound))
	wantEqual(t, "generation", b.Function("f").Spec().Generation, 3)
}

// Scaling comes and goes with the spec, and its replicas follow the new bounds.
func TestUpdateOfScaling(t *testing.T) {
	s := &instantScaler{}
	b := newBed(t, func(cfg *Config) { cfg.Scaler = s })
	s.c = b.Core
	fn := b.register("f")
	scaled := func(least, most int) *Spec {
		return spec(t, "f", func(in *SpecInput) { in.ScalingConfig = &ScalingConfigInput{MinReplicas: &least, MaxReplicas: &most} })
	}
	wantEqual(t, "autoscaled at first", fn.Autoscaled(), false)
	for _, step := range []struct{ least, want int }{{2, 2}, {5, 5}, {1, 1}} {
		if _, err := b.Update(scaled(step.least, 10), 0); err != nil {
			t.Fatal(err)
		}
		b.clock.advance(2 * time.Minute)
		wantEqual(t, "replicas", fn.DesiredReplicas(), step.want)
	}
	b.update("f")
	wantEqual(t, "autoscaled in the end", fn.Autoscaled(), false)
	b.clock.advance(2 * time.Minute)
	if err := b.ReportMetric("f", "cpu", "", 1); err == nil {
		t.Error("a report was taken by a function that is not scaled")
	}
	b.enqueue("f")
	b.work.next(t).Complete(success("1"))
	if _, err := b.Update(scaled(3, 10), 0); err != nil {
		t.Fatal(err)
	}
	b.clock.advance(time.Second)
	wantEqual(t, "replicas once more", fn.DesiredReplicas(), 3)
	if _, err := b.Update(scaled(0, 2), 0); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "replicas at once under a lower bound", fn.DesiredReplicas(), 2)
	wantEqual(t, "and ready", fn.ReadyReplicas(), 2)
	// Slots for each instance may still follow the load when others set the instances.
	b.update("f", func(in *SpecInput) {
		in.ScalingConfig = &ScalingConfigInput{Strategy: ptr("NONE"), ConcurrencyControl: &ConcurrencyControlInput{Mode: ptr(ConcurrencyAdaptive)}}
	})
	wantEqual(t, "autoscaled by others", fn.Autoscaled(), false)
	wantEqual(t, "replicas of what others scale", fn.DesiredReplicas(), 0)
}

// Updates, submissions, deletions and completions from many goroutines: all
// that was accepted ends once, and the generation counts the updates.
func TestUpdateRaces(t *testing.T) {
	b := newBed(t)
	b.work.run = echoTask
	b.register("f", slots(2), queueSize(50))
	var wg sync.WaitGroup
	const updaters, each = 4, 100
	for range updaters {
		wg.Go(func() {
			for i := range each {
				if _, err := b.Update(spec(b.t, "f", slots(1+i%4), queueSize(1+i%60), retries(i%3)), 0); err != nil {
					t.Error(err)
				}
			}
		})
	}
	accepted := make([]int, 4)
	for g := range accepted {
		wg.Go(func() {
			for range 300 {
				if _, err := b.Submit(&Request{Function: "f", Input: []byte("1")}); err == nil {
					accepted[g]++
				}
			}
		})
	}
	wg.Wait()
	b.clock.advance(time.Second)
	total := 0
	for _, n := range accepted {
		total += n
	}
	wantEqual(t, "ended", len(b.seen.of(EventEnded)), total)
	wantEqual(t, "generation", b.Function("f").Spec().Generation, uint64(1+updaters*each))
	b.wantLoad("f", 0, 0)
}
