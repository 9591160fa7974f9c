package core

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func adaptive(low, start, high, upMs, downMs int) func(*ScalingConfigInput) {
	return func(sc *ScalingConfigInput) {
		sc.ConcurrencyControl = &ConcurrencyControlInput{
			Mode: ptr(ConcurrencyAdaptive), TargetInFlightPerPod: &start,
			MinTargetInFlightPerPod: &low, MaxTargetInFlightPerPod: &high,
			UpscaleCooldownMs: &upMs, DownscaleCooldownMs: &downMs,
			HighLoadThreshold: ptr(0.85), LowLoadThreshold: ptr(0.35),
		}
	}
}

func (b *bed) wantSlots(fn *Function, want int) {
	b.t.Helper()
	wantEqual(b.t, "effective concurrency", fn.EffectiveConcurrency(), want)
}

func TestFixedConcurrencyIgnoresReplicas(t *testing.T) {
	b := newBed(t)
	fn := b.register("f", slots(3), internal(0, 8, perPod(ConcurrencyFixed, 5)))
	b.wantSlots(fn, 3)
	b.ReplicasReady("f", 7)
	b.wantSlots(fn, 3)
	b.update("f", slots(6), internal(0, 8, perPod(ConcurrencyFixed, 5)))
	b.wantSlots(fn, 6)
}

func TestStaticPerPodFollowsReadyReplicas(t *testing.T) {
	b := newBed(t)
	fn := b.register("f", slots(3), internal(0, 8, perPod(ConcurrencyStatic, 5)))
	b.wantSlots(fn, 5) // as if one were ready: the provider holds the work
	for _, c := range []struct{ ready, want int }{{1, 5}, {4, 20}, {0, 5}} {
		b.ReplicasReady("f", c.ready)
		b.wantSlots(fn, c.want)
	}
	b.update("f", slots(99), internal(0, 8, perPod(ConcurrencyStatic, 5)))
	b.wantSlots(fn, 5)
	wantEqual(t, "the recorded concurrency", fn.Spec().Concurrency, 99)
}

func TestEffectiveConcurrencyIsBounded(t *testing.T) {
	b := newBed(t)
	fn := b.register("f", internal(0, MaxReplicasBound, perPod(ConcurrencyStatic, MaxConcurrency)))
	b.ReplicasReady("f", MaxReplicasBound)
	b.wantSlots(fn, MaxConcurrency)
}

func TestMoreSlotsStartQueuedWorkAtOnce(t *testing.T) {
	b := newBed(t)
	b.register("f", internal(0, 8, perPod(ConcurrencyStatic, 2)))
	for range 10 {
		b.enqueue("f")
	}
	b.wantLoad("f", 8, 2)
	b.ReplicasReady("f", 4)
	b.wantLoad("f", 2, 8)
	changed := b.seen.of(EventConcurrencyChanged)
	wantEqual(t, "events", len(changed), 1)
	wantEqual(t, "event's count", changed[0].Count, 8)
	wantEqual(t, "replicas event", b.seen.of(EventReplicasReady)[0].Count, 4)
}

func TestFewerSlotsTakeNothingFromWhatRuns(t *testing.T) {
	b := newBed(t)
	b.register("f", internal(0, 8, perPod(ConcurrencyStatic, 2)))
	b.ReplicasReady("f", 3)
	for range 10 {
		b.enqueue("f")
	}
	b.wantLoad("f", 4, 6)
	b.ReplicasReady("f", 1)
	b.wantLoad("f", 4, 6)
	for running := 5; running >= 2; running-- {
		b.work.next(t).Complete(success(`1`))
		b.wantLoad("f", 4, running) // until they fit into the slots left
	}
	b.work.next(t).Complete(success(`1`))
	b.wantLoad("f", 3, 2)
}

// busy fills a function's slots and its queue.
func (b *bed) busy(name string, executions int) {
	for range executions {
		b.enqueue(name)
	}
}

func TestAdaptiveRisesByOneEachCooldown(t *testing.T) {
	b := newBed(t)
	fn := b.register("f", timeout(time.Hour), internal(0, 8, adaptive(1, 2, 4, 5000, 60_000)))
	b.wantSlots(fn, 2)
	b.busy("f", 20) // the first look is at once
	b.clock.advance(100 * time.Millisecond)
	b.wantSlots(fn, 3) // no change has been made before: no cooldown
	b.clock.advance(4900 * time.Millisecond)
	b.wantSlots(fn, 3)
	b.clock.advance(time.Second) // the look after 5 s
	b.wantSlots(fn, 4)
	b.clock.advance(time.Minute)
	b.wantSlots(fn, 4) // the maximum
	b.wantLoad("f", 16, 4)
}

func TestAdaptiveNeedsQueuedWorkToRise(t *testing.T) {
	b := newBed(t)
	fn := b.register("f", timeout(time.Hour), internal(0, 8, adaptive(1, 2, 4, 0, 60_000)))
	b.busy("f", 2)
	b.clock.advance(time.Minute)
	b.wantSlots(fn, 2)
}

func TestAdaptiveFallsByOneEachCooldownToItsMinimum(t *testing.T) {
	b := newBed(t)
	fn := b.register("f", internal(0, 8, adaptive(2, 4, 8, 1000, 10_000)))
	b.ReplicasReady("f", 3)
	b.wantSlots(fn, 12)
	b.enqueue("f") // 1 of 12 is low, and wakes the autoscaler
	b.wantSlots(fn, 9)
	b.clock.advance(9 * time.Second)
	b.wantSlots(fn, 9)
	b.clock.advance(2 * time.Second)
	b.wantSlots(fn, 6)
	b.work.next(t).Complete(success(`1`))
	b.clock.advance(time.Hour)
	b.wantSlots(fn, 6)
	wantEqual(t, "still looking", fn.auto.Load().armed, false)
}

func TestAdaptiveKeepsBetweenTheThresholds(t *testing.T) {
	b := newBed(t)
	fn := b.register("f", timeout(time.Hour), internal(0, 8, adaptive(1, 10, 20, 0, 0)))
	b.busy("f", 4)     // the look at the first sees 1 of 10
	b.wantSlots(fn, 9) // 4 of 9
	b.clock.advance(time.Minute)
	b.wantSlots(fn, 9)
}

func TestAdaptiveWorksWithoutAScaler(t *testing.T) {
	for _, strategy := range []string{"HPA", "NONE"} {
		b := newBed(t)
		fn := b.register("f", func(in *SpecInput) {
			internal(0, 8, adaptive(1, 2, 4, 0, 60_000))(in)
			in.ScalingConfig.Strategy = &strategy
		})
		b.busy("f", 20)
		b.clock.advance(3 * time.Second)
		b.wantSlots(fn, 4)
	}
}

// TestSlotsThatChangeLoseNothing changes the slots of a busy function from
// other goroutines: every execution must end once and no slot be lost.
func TestSlotsThatChangeLoseNothing(t *testing.T) {
	cfg := DefaultConfig()
	cfg.RateMaxPerSecond = 0
	cfg.Scaler = &instantScaler{}
	cfg.AutoscaleInterval, cfg.ScaleUpCooldown, cfg.ScaleDownCooldown, cfg.ScaleDownWindow = time.Millisecond, 1, 1, time.Millisecond
	ended := &countEnds{}
	c, err := New(recordedConfig(t, cfg), newRealClock(), &seqIDs{}, slowEcho{}, ended)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Scaler.(*instantScaler).c = c
	sized := func(n int) *Spec {
		return spec(t, "f", slots(n), internal(0, 50, adaptive(1, 2, 8, 1, 1)), queueSize(1_000_000))
	}
	if _, err := c.Register(sized(1)); err != nil {
		t.Fatal(err)
	}
	const writers, each = 4, 3000
	var work, meddling sync.WaitGroup
	stop := make(chan struct{})
	for seed := range uint64(2) {
		meddling.Go(func() {
			r := rand.New(rand.NewPCG(seed, 1))
			for {
				select {
				case <-stop:
					return
				default:
				}
				switch r.IntN(3) {
				case 0:
					c.ReplicasReady("f", r.IntN(20))
				case 1:
					_ = c.SetReplicas("f", r.IntN(20))
				default:
					_, _ = c.Update(sized(1+r.IntN(9)), 0)
				}
			}
		})
	}
	for range writers {
		work.Go(func() {
			for range each {
				if _, err := c.Submit(&Request{Function: "f", Input: []byte(`1`)}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	work.Wait()
	for ended.n.Load() < writers*each {
		time.Sleep(time.Millisecond)
	}
	close(stop)
	meddling.Wait()
	fn := c.Function("f")
	for fn.InFlight() > 0 {
		time.Sleep(time.Millisecond)
	}
	wantEqual(t, "ended", ended.n.Load(), writers*each)
	wantEqual(t, "queued", fn.QueueDepth(), 0)
}

// countEnds counts ended executions.
type countEnds struct{ n atomic.Int64 }

func (*countEnds) FunctionAdded(*Function) any { return nil }

func (c *countEnds) Observe(e Event) {
	if e.Kind == EventEnded {
		c.n.Add(1)
	}
}

// slowEcho answers from a goroutine of its own.
type slowEcho struct{}

func (slowEcho) Dispatch(t Task) { go t.Complete(Outcome{Status: Success, Output: t.Input}) }
