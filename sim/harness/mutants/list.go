package main

// mutant is one deliberate bug: old becomes new. old must occur exactly once in
// core, in whichever file: when core changes, only the text has to be brought
// up to date. `-check` says in a second which mutants do not apply any more.
type mutant struct {
	name, old, new string
}

var mutants = []mutant{
	{"evicted one nanosecond early", "now-finished > r.ttl }", "now-finished >= r.ttl }"},
	{"cleaned up one nanosecond early", "now-finished > r.cleanup }", "now-finished >= r.cleanup }"},
	{"calls in good time are passed over", "min(fn.service.likely(), ex.timeout/2)", "max(fn.service.likely(), ex.timeout*3/4)"},
	{"stale executions stay a second longer", "created+r.stale)", "created+r.stale+1e9)"},
	{"idempotency key expires one nanosecond early", "e.storedAt+s.ttl < now)", "e.storedAt+s.ttl <= now)"},
	{"slot lost on timeout", "released, attemptEnded = fn.releaseSlot(ex)", "ex.holdsSlot = false"},
	{"caller's timeout frees the slot twice", "case ex.markTimeout(nil, now):\n", "case ex.markTimeout(nil, now):\n\t\tfn.running.Store(fn.running.Load() - 1)\n"},
	{"attempts time out one nanosecond early", "return ex.startedMono + ex.timeout }", "return ex.startedMono + ex.timeout - 1 }"},
	{"LIFO instead of FIFO",
		"slot := &r.buf[r.head&uint64(len(r.buf)-1)]\n\t\tex := *slot\n\t\t*slot = nil\n\t\tr.head++",
		"r.tail--\n\t\tslot := &r.buf[r.tail&uint64(len(r.buf)-1)]\n\t\tex := *slot\n\t\t*slot = nil"},
	{"removal from the queue not counted", "q.fresh.remove(ex)\n\t}\n\tq.live--", "q.fresh.remove(ex)\n\t}"},
	{"second completion counts", "if attempt != ex.attempt || ex.answered {", "if attempt != ex.attempt {"},
	{"late result overwrites the end", "if ex.status.Terminal() {\n\t\tfn.watch", "if ex.status.Terminal() && ex.status != Timeout {\n\t\tfn.watch"},
	{"rate window begins again when the clock goes back", "if second <= old>>32 {", "if second == old>>32 {"},
	{"one more than the rate limit", "&(1<<32-1)) >= limit {", "&(1<<32-1)) > limit {"},
	{"one more than the queue size", "return int(fn.queueSize.Load())", "return int(fn.queueSize.Load()) + 1"},
	{"one more than the concurrency", "fn.running.Load() < fn.slots.Load()", "fn.running.Load() <= fn.slots.Load()"},
	{"one retry too many", "int(ex.attempt) > maxRetries", "int(ex.attempt) > maxRetries+1"},
	{"retry overfills the queue", "if fn.queue.live >= fn.QueueSize() {", "if fn.queue.live > 2*fn.QueueSize() {"},
	{"queue not served when a slot is freed", "if !inline {\n\t\tc.kick(fn)\n\t}\n}", "if inline {\n\t\tc.kick(fn)\n\t}\n}"},
	{"busy function served once only", "again := fn.ready", "again := false"},
	{"more slots not used at once", "Count: fn.EffectiveConcurrency()})\n\tc.kick(fn)", "Count: fn.EffectiveConcurrency()})"},
	{"new concurrency not applied", "spec.Concurrency = *concurrency", "_ = *concurrency"},
	{"delete forgets the queue", "for ex := fn.dequeue(); ex != nil;", "for ex := (*execution)(nil); ex != nil;"},
	{"refused claim not given back", "if token != 0 {\n\t\t_ = c.keys.Abandon", "if token == 0 {\n\t\t_ = c.keys.Abandon"},
	{"execution past its TTL is joined", "if c.expired(ex, now) {\n\t\towner.mu", "if false {\n\t\towner.mu"},
	{"stale execution's caller not woken", "if e.waiter != nil {\n\t\te.waiter.Wake", "if e.waiter != nil && e.code != CodeStale {\n\t\te.waiter.Wake"},
	{"freed payload not counted", "c.store.bytes.Add(-work.freed)", "c.store.bytes.Add(min(1, work.freed) - work.freed)"},
	{"sweeping stops", "if c.store.count.Load() > 0 || c.keys.Len() > 0 {", "if c.store.count.Load() > 100 {"},
	{"depth of the sync queue leaks", "admission.depth.Add(int64(by))", "admission.depth.Add(int64(max(by, 0)))"},
	{"estimated wait is compared the wrong way", "wait > cfg.MaxEstimatedWait", "wait < cfg.MaxEstimatedWait"},
	{"throughput never forgets", "t.total -= *slot", "t.total -= 0"},
	{"retry keeps the old start", "ex.started, ex.finished, ex.startedMono = 0, 0, -1", "ex.finished, ex.startedMono = 0, -1"},
	{"scaling: the window does not hold replicas", "floor = max(p.asked.max(), 1)", "floor = max(want, 1)"},
	{"scaling: to zero with work", "n = max(n, 1)\n", "n = max(n, 0)\n"},
	{"scaling: a lost call is not made again", "now.Mono-a.askedAt >= int64(askAgain)", "now.Mono < 0"},
	{"scaling: above the maximum", "return min(max(n, a.spec.MinReplicas), a.spec.MaxReplicas), outside", "return max(n, a.spec.MinReplicas), outside"},
	{"scaling: work does not wake it from zero", "a.armed && (!a.scaled || a.policy.desired > 0)", "a.armed || a.scaled"},
	{"scaling: an idle function keeps its instances", "want = a.spec.MinReplicas", "want = max(want, a.policy.desired)"},
	{"scaling: an old figure counts for new instances", "float64(r.ready)), true", "float64(at.ready)), true"},
	{"slots do not follow the instances", "resized := changed && fn.resize()", "resized := changed && false"},
	{"slots: minimum of one instance forgotten", "int64(max(1, ready))", "int64(ready)"},
}
