package core

import "time"

// SyncQueueConfig bounds how long sync invocations may wait.
type SyncQueueConfig struct {
	// Enabled switches sync admission on. Off, only queueSize bounds waiting.
	Enabled bool
	// EstimateDisabled leaves out the estimated-wait check; depth and
	// MaxQueueWait still hold.
	EstimateDisabled bool
	// MaxConcurrency is the number of sync invocations in flight below which
	// a newcomer is admitted without further checks while its function has a
	// free slot. > 0.
	MaxConcurrency int
	// MaxDepth is the number of queued sync invocations at which newcomers are
	// refused. > 0. Newcomers of one instant are checked side by side, before any
	// of them is queued, and may pass it together; a function's queueSize is exact.
	MaxDepth int
	// MaxEstimatedWait is the longest estimated wait that is admitted. > 0.
	MaxEstimatedWait time.Duration
	// MaxQueueWait is the longest wait in the queue for the first attempt. A
	// caller that reaches it is rejected, and nothing has run. > 0.
	MaxQueueWait time.Duration
	// RetryAfter is how long a rejected caller is advised to wait. >= 1 s.
	RetryAfter time.Duration
}

// minCompletions is how many completions in the window a function needs for
// its own throughput to count; below that the global one is used.
const minCompletions = 3

// syncAdmission decides whether a sync invocation may wait in its queue.
type syncAdmission struct {
	cfg      atomicPointer[SyncQueueConfig]
	inFlight atomicInt64 // sync executions that hold a slot
	depth    atomicInt64 // sync executions queued

	mu          mutex
	completions throughput // of all functions
}

// check returns nil to admit, else the rejection, with the figures that it rests
// on in seen.
//
// The estimate is depth / recent completion throughput. With no completion in
// the window there is nothing to estimate from and the caller is admitted:
// depth and MaxQueueWait bound the damage.
func (a *syncAdmission) check(fn *Function, now Instant, seen *[2]uint64) *Rejection {
	cfg := a.cfg.Load()
	if !cfg.Enabled || (fn.slotFree() && a.inFlight.Load() < int64(cfg.MaxConcurrency)) {
		return nil
	}
	if depth := a.depth.Load(); depth >= int64(cfg.MaxDepth) {
		*seen = [2]uint64{uint64(depth), uint64(cfg.MaxDepth)}
		return ErrDepth
	}
	if cfg.EstimateDisabled {
		return nil
	}
	if wait, known := a.estimate(fn, now); known && wait > cfg.MaxEstimatedWait {
		*seen = [2]uint64{uint64(wait), uint64(cfg.MaxEstimatedWait)}
		return ErrEstWait
	}
	return nil
}

// estimate is the wait a newcomer to fn would have.
func (a *syncAdmission) estimate(fn *Function, now Instant) (time.Duration, bool) {
	fn.mu.Lock()
	count, span := fn.completions.recent(now)
	depth := fn.queue.live
	fn.mu.Unlock()
	if count < minCompletions {
		a.mu.Lock()
		count, span = a.completions.recent(now)
		a.mu.Unlock()
		depth = int(a.depth.Load())
	}
	if count == 0 {
		return 0, false
	}
	return time.Duration(int64(depth) * int64(span) / count), true
}

// completed counts one completion; the caller holds fn.mu.
func (a *syncAdmission) completed(fn *Function, now Instant) {
	if !a.cfg.Load().Enabled {
		return
	}
	fn.completions.add(now)
	a.mu.Lock()
	a.completions.add(now)
	a.mu.Unlock()
}

const throughputSeconds = 10

// throughput counts events over the last ten seconds, in one-second steps.
// Its arithmetic is on integers, so that estimates replay exactly.
type throughput struct {
	counts [throughputSeconds]int64
	total  int64
	second int64 // the newest step, in elapsed seconds
	since  int64 // elapsed ns of the first event since the window was empty
}

func (t *throughput) add(now Instant) {
	t.advance(now)
	if t.total == 0 {
		t.since = now.Mono
	}
	t.counts[t.second%throughputSeconds]++
	t.total++
}

// recent returns the number of events in the window and the time they took:
// at least one second, so that a first burst is not taken for a rate.
func (t *throughput) recent(now Instant) (int64, time.Duration) {
	t.advance(now)
	span := time.Duration(now.Mono - t.since)
	return t.total, min(max(span, time.Second), throughputSeconds*time.Second)
}

func (t *throughput) advance(now Instant) {
	second := now.Mono / int64(time.Second)
	for steps := 0; t.second < second && steps < throughputSeconds; steps++ {
		t.second++
		slot := &t.counts[t.second%throughputSeconds]
		t.total -= *slot
		*slot = 0
	}
	t.second = max(t.second, second)
}
