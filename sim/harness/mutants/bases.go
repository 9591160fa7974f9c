package main

// baseMutants leave a field out of a Base, put a wrong value into it, or do not take it over
// when a replay begins. A replay that begins with the first steps does not use them: those
// that the tape begins in the middle of the work are to notice. Each broke an invariant when it
// was tried. Those are not here that only matter much later or are only shown, which core's
// tests notice, since they compare the states field by field (core/takeover_test.go): the
// replicas that are wanted, since when it is queued, whether it is answered, the time of the
// retry, metadata and key, the last fact, who is passed over, and what the autoscaler is about to
// do. Nobody notices these:
//
//   - cold starts, initialisations and clean-ups: only an attempt that is answered has them, and
//     an execution is in a Base until then, or for a retry, which forgets them;
//   - that the provider is to be asked: it is at once, unless another call goes on.
var baseMutants = []mutant{
	// What a Base says of a function.
	{"base: not in the ready list", "b.Deleted, b.Ready = fn.deleted, fn.ready", "b.Deleted, b.Ready = fn.deleted, false"},
	{"base: no deviation of service times", "b.Service = [3]int64{fn.service.samples, fn.service.mean, fn.service.dev}", "b.Service = [3]int64{fn.service.samples, fn.service.mean, 0}"},
	{"base: no places in the heap", "live.Deadline, live.Heap = it.at, int(it.ex.heapIndex)", "live.Deadline = it.at"},
	{"base: nothing without a deadline is live", "\t\tif ex.heapIndex < 0 {\n\t\t\tb.Live = append(b.Live, ex.base())\n\t\t}\n", ""},

	// Of an execution.
	{"base: no end of the first wait", "QueueEnd: ex.queueDeadline, ", ""},
	{"base: not when its deadlines are looked at", "LookAt: ex.lookAt, Timeout", "Timeout"},
	{"base: not finished", "Finished: ex.finished, ", ""},
	{"base: no input", "Input: len(ex.input), ", ""},
	{"base: not sync", "Sync: ex.sync, ", ""},
	{"base: nobody has joined", "b.Joins, b.RetryAt, b.Moved, b.Awaited = x.joins,", "b.Joins, b.RetryAt, b.Moved, b.Awaited = 0,"},
	{"base: not when it was moved", "= x.joins, x.retryAt, x.moved,", "= x.joins, x.retryAt, 0,"},
	{"base: nobody waits for the end of the attempt", "x.moved, x.attemptEnded != nil", "x.moved, false"},
	{"base: not held", "b.Held, b.Until = x.facts.held, x.facts.until", "b.Until = x.facts.until"},
	{"base: the pause is over", "b.Failed, b.Pausing = len(x.attempts), ex.pausing", "b.Failed = len(x.attempts)"},
	{"base: only the execution's own waiter", "\t\twaiters = append(waiters, x.waiters...)\n", ""},
	{"base: nobody may leave", "\t\tcase f&FlagLeaver != 0:\n\t\t\ts.WriteByte('l')\n", ""},
	{"base: earlier attempts are counted twice", "b.Other = int(x.payloadBytes()-attemptBytes(x.attempts)) - b.Metadata", "b.Other = int(x.payloadBytes()) - b.Metadata"},

	// What a replay takes over.
	{"base: a deleted function is not taken for one", "fn.deleted, fn.ready = b.Deleted, b.Ready", "fn.ready = b.Ready"},
	{"base: the ready replicas are not taken over", "\tfn.replicasReady.Store(int32(b.ReplicasReady))\n", ""},
	{"base: no steps are missing", "knownTable{}, b.Seq > 0, nil", "knownTable{}, false, nil"},
	{"base: slots in use are not counted", "\t\tif ex.holdsSlot {\n\t\t\tfn.takeSlot(ex)\n\t\t}\n\t\tif ex.pausing", "\t\tif ex.pausing"},
	{"base: pauses are not counted", "\t\tif ex.pausing {\n\t\t\tfn.pauses.Store(fn.pauses.Load() + 1)\n\t\t}\n\t}\n\tif b.hasPlaces()", "\t}\n\tif b.hasPlaces()"},
	{"base: deadlines are arranged anew", "if b.hasPlaces() && !fn.deadlines", "if false && !fn.deadlines"},
	{"base: who is passed over has not been", "\t\t\t\tex.passed = true\n\t\t\t\tq.late.push(ex)", "\t\t\t\tq.late.push(ex)"},
	{"base: the slots are those of the spec", "\tfn.slots.Store(fn.slotsNow())\n\tr.fn", "\tr.fn"},

	// The autoscaler.
	{"base: scaling: what was judged", "Arrived: a.arrived, Judged: a.judged,", "Arrived: a.arrived, Judged: a.arrived,"},
	{"base: scaling: not when it was busy", "BusyAt: a.busyAt, AskedAt", "BusyAt: never, AskedAt"},
	{"base: scaling: not when it asked", "AskedAt: a.askedAt,", "AskedAt: never,"},
	{"base: scaling: no timer", "Armed: a.armed, Waking", "Waking"},
	{"base: scaling: slots were never changed", "ChangedAt: a.perPod.changedAt, ", "ChangedAt: never, "},
	{"base: scaling: it never rose", "UpAt: a.policy.upAt, ", "UpAt: never, "},
	{"base: scaling: it never fell", "DownAt: a.policy.downAt,", "DownAt: never,"},
	{"base: scaling: the latest arrivals only", "range a.arrivals.samples[:a.arrivals.n] {", "range a.arrivals.samples[max(0, a.arrivals.n-1):a.arrivals.n] {"},
	{"base: scaling: the latest want only", "range a.policy.asked.items {", "range a.policy.asked.items[max(0, len(a.policy.asked.items)-1):] {"},
	{"base: scaling: no report was told", "BaseReport{r.value, r.at, r.ready, r.told}", "BaseReport{r.value, r.at, r.ready, false}"},
	{"base: scaling: reports are of now", "BaseReport{r.value, r.at, r.ready, r.told}", "BaseReport{r.value, r.at, 0, r.told}"},
}
