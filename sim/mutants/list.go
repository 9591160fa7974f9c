package main

// mutant is one deliberate bug: in a file of core, Old becomes New. Old must
// occur there exactly once; when core has moved on, the run says which mutants
// have to be looked at again.
type mutant struct {
	name, file, old, new string
}

var mutants = []mutant{
	{"evicted one nanosecond early", "store.go", "now-finished > r.ttl }", "now-finished >= r.ttl }"},
	{"cleaned up one nanosecond early", "store.go", "now-finished > r.cleanup }", "now-finished >= r.cleanup }"},
	{"calls in good time are passed over", "late.go", "min(fn.service.likely(), ex.timeout/2)", "max(fn.service.likely(), ex.timeout*3/4)"},
	{"stale executions stay a second longer", "store.go", "created+r.stale)", "created+r.stale+1e9)"},
	{"idempotency key expires one nanosecond early", "idempotency.go", "e.storedAt+s.ttl < now)", "e.storedAt+s.ttl <= now)"},
	{"slot lost on timeout", "deadline.go", "released, attemptEnded = fn.releaseSlot(ex)", "ex.holdsSlot = false"},
	{"caller's timeout frees the slot twice", "deadline.go", "case ex.markTimeout(nil, now):\n", "case ex.markTimeout(nil, now):\n\t\tfn.running.Store(fn.running.Load() - 1)\n"},
	{"attempts time out one nanosecond early", "execution.go", "return ex.startedMono + ex.timeout }", "return ex.startedMono + ex.timeout - 1 }"},
	{"LIFO instead of FIFO", "ring.go",
		"slot := &r.buf[r.head&uint64(len(r.buf)-1)]\n\t\tex := *slot\n\t\t*slot = nil\n\t\tr.head++",
		"r.tail--\n\t\tslot := &r.buf[r.tail&uint64(len(r.buf)-1)]\n\t\tex := *slot\n\t\t*slot = nil"},
	{"removal from the queue not counted", "late.go", "q.fresh.remove(ex)\n\t}\n\tq.live--", "q.fresh.remove(ex)\n\t}"},
	{"second completion counts", "dispatch.go", "if attempt != ex.attempt || ex.answered {", "if attempt != ex.attempt {"},
	{"late result overwrites the end", "dispatch.go", "if ex.status.Terminal() {\n\t\tfn.watch", "if ex.status.Terminal() && ex.status != Timeout {\n\t\tfn.watch"},
	{"rate window begins again when the clock goes back", "ratelimit.go", "if second <= old>>32 {", "if second == old>>32 {"},
	{"one more than the rate limit", "ratelimit.go", "&(1<<32-1)) >= limit {", "&(1<<32-1)) > limit {"},
	{"one more than the queue size", "function.go", "return int(fn.queueSize.Load())", "return int(fn.queueSize.Load()) + 1"},
	{"one more than the concurrency", "function.go", "fn.running.Load() < fn.slots.Load()", "fn.running.Load() <= fn.slots.Load()"},
	{"one retry too many", "retry.go", "int(ex.attempt) > maxRetries", "int(ex.attempt) > maxRetries+1"},
	{"retry overfills the queue", "retry.go", "if fn.queue.live >= fn.QueueSize() {", "if fn.queue.live > 2*fn.QueueSize() {"},
	{"queue not served when a slot is freed", "dispatch.go", "if !inline {\n\t\tc.kick(fn)", "if inline {\n\t\tc.kick(fn)"},
	{"busy function served once only", "scheduler.go", "again := fn.ready", "again := false"},
	{"more slots not used at once", "concurrency.go", "Count: fn.EffectiveConcurrency()})\n\tc.kick(fn)", "Count: fn.EffectiveConcurrency()})"},
	{"new concurrency not applied", "functions.go", "spec.Concurrency = *concurrency", "_ = *concurrency"},
	{"delete forgets the queue", "functions.go", "for ex := fn.dequeue(); ex != nil;", "for ex := (*execution)(nil); ex != nil;"},
	{"refused claim not given back", "submit.go", "if token != 0 {\n\t\t_ = c.keys.Abandon", "if token == 0 {\n\t\t_ = c.keys.Abandon"},
	{"execution past its TTL is joined", "submit.go", "if c.expired(ex, now) {\n\t\towner.mu", "if false {\n\t\towner.mu"},
	{"stale execution's caller not woken", "ending.go", "if e.waiter != nil {\n\t\te.waiter.Wake", "if e.waiter != nil && e.code != CodeStale {\n\t\te.waiter.Wake"},
	{"freed payload not counted", "sweep.go", "c.store.bytes.Add(-work.freed)", "c.store.bytes.Add(min(1, work.freed) - work.freed)"},
	{"sweeping stops", "sweep.go", "if c.store.count.Load() > 0 || c.keys.Len() > 0 {", "if c.store.count.Load() > 100 {"},
	{"depth of the sync queue leaks", "function.go", "admission.depth.Add(int64(by))", "admission.depth.Add(int64(max(by, 0)))"},
	{"estimated wait is compared the wrong way", "admission.go", "wait > cfg.MaxEstimatedWait", "wait < cfg.MaxEstimatedWait"},
	{"throughput never forgets", "admission.go", "t.total -= *slot", "t.total -= 0"},
	{"retry keeps the old start", "execution.go", "ex.started, ex.finished, ex.startedMono = 0, 0, -1", "ex.finished, ex.startedMono = 0, -1"},
	{"scaling: the window does not hold replicas", "autoscale_policy.go", "floor = max(p.asked.max(), 1)", "floor = max(want, 1)"},
	{"scaling: to zero with work", "autoscale_want.go", "n = max(n, 1)\n", "n = max(n, 0)\n"},
	{"scaling: a lost call is not made again", "autoscale_loop.go", "now.Mono-a.askedAt >= int64(askAgain)", "now.Mono < 0"},
	{"scaling: above the maximum", "autoscale_want.go", "return min(max(n, a.spec.MinReplicas), a.spec.MaxReplicas), outside", "return max(n, a.spec.MinReplicas), outside"},
	{"scaling: work does not wake it from zero", "autoscale_loop.go", "a.armed && (!a.scaled || a.policy.desired > 0)", "a.armed || a.scaled"},
	{"scaling: an idle function keeps its instances", "autoscale_loop.go", "want = a.spec.MinReplicas", "want = max(want, a.policy.desired)"},
	{"scaling: an old figure counts for new instances", "autoscale_want.go", "float64(r.ready)), true", "float64(at.ready)), true"},
	{"slots do not follow the instances", "autoscale.go", "resized := changed && fn.resize()", "resized := changed && false"},
	{"slots: minimum of one instance forgotten", "concurrency.go", "int64(max(1, ready))", "int64(ready)"},
	{"slots: new ones not used at once", "concurrency.go", "Count: fn.EffectiveConcurrency()})\n\tc.kick(fn)", "Count: fn.EffectiveConcurrency()})"},
}
