package main

// moreMutants are of what the simulator did not see before it told answers, inputs and
// callers from each other and the swarm did all that core can do.
var moreMutants = []mutant{
	// Answers to callers.
	{"answer: without the output", "ex.copyTo(&fx.told)\n\t}\n}", "ex.copyTo(&fx.told)\n\t\tfx.told.Output = nil\n\t}\n}"},
	{"answer: the start is the creation", "s.StartedAtMillis = ex.started /", "s.StartedAtMillis = ex.created /"},
	{"answer: the wait counts from the creation", "s.QueueWait = time.Duration(ex.startedMono - ex.queuedMono)", "s.QueueWait = time.Duration(ex.startedMono - ex.createdMono)"},
	{"answer: a cold start of an earlier attempt", "\tex.coldStart, ex.initMs = false, -1\n", ""},
	{"answer: the time of a cold start in microseconds", "int32(o.Init / time.Millisecond)", "int32(o.Init / time.Microsecond)"},
	{"answer: a cold start is not noted", "\tex.coldStart = true\n", ""},
	{"answer: another error code", "if code == \"\" {", "if code != \"\" {"},
	{"answer: no error message", "newExecError(code, o.Message)", "newExecError(code, \"\")"},
	{"answer: attempts are counted from 2", "Number: ex.attempt, StartedMillis", "Number: ex.attempt + 1, StartedMillis"},
	{"answer: the state before a cancel", "fx.told, fx.restsOn = ex.snapshot(), ex.lastFact()", "fx.told, fx.restsOn = ex.snapshot(), ex.lastFact()\n\tfx.told.Status = Queued"},
	{"answer: a failure that a full queue ends forgets why", "the attempt failed with %s: %s\",\n\t\tattempt, fn.spec.Load().MaxRetries, failed.Code, failed.Message))", "the attempt failed with %s: %s\",\n\t\tattempt, fn.spec.Load().MaxRetries, failed.Code, failed.Code))"},
	{"answer: cold start of a joined execution's caller", "fx.told = fn.core.visible(in.ex, fx.now, fx.endHeld(in.ex))", "fx.told = fn.core.visible(in.ex, fx.now, fx.endHeld(in.ex))\n\tfx.told.Attempt = 1"},

	// What attempts get.
	{"attempt: the function's timeout, not the call's", "time.Duration(ex.timeout), ex.durable(), ex", "time.Duration(fn.timeout()), ex.durable(), ex"},
	{"attempt: no key", "ex.more.metadata, ex.more.traceID, ex.more.idempotencyKey\n\t\ttask.Trace", "ex.more.metadata, ex.more.traceID, \"\"\n\t\ttask.Trace"},
	{"borrowed: the input is not copied", "ex.input = keep(&memory.inputs, r.Input)", "_ = keep(&memory.inputs, r.Input)"},
	{"borrowed: the key is not copied", "strings.Clone(x.traceID), strings.Clone(x.idempotencyKey)", "strings.Clone(x.traceID), x.idempotencyKey"},
	{"borrowed: the stored key is not copied", "k = idempotencyKey{strings.Clone(k.function), strings.Clone(k.key)}", "k = idempotencyKey{strings.Clone(k.function), k.key}"},

	// Ends from outside.
	{"outside: any attempt's completion counts", "(in.attempt != 0 && in.attempt != ex.attempt)", "false"},
	{"outside: no attempt's completion counts", "(in.attempt != 0 && in.attempt != ex.attempt)", "in.attempt != ex.attempt"},
	{"outside: the slot is kept", "fx.did, fx.attempt = true, ex.attempt\n\tfn.releaseSlot(fx, ex)\n\tex.noteStart", "fx.did, fx.attempt = true, ex.attempt\n\tex.noteStart"},
	{"outside: the attempt's own answer is late, not repeated", "\tex.answered = true\n\tfx.did, fx.attempt = true, ex.attempt", "\tfx.did, fx.attempt = true, ex.attempt"},
	{"outside: the freed slot is not used", "\tfx.restsOn = fx.lsn\n\tfn.noteReady(fx)\n", "\tfx.restsOn = fx.lsn\n"},
	{"outside: an error is retried", "fn.end(fx, ex, in.outcome.ending())", "if how := in.outcome.ending(); how.status != Error || !fn.retry(fx, ex, &in.outcome, how.err) {\n\t\tfn.end(fx, ex, how)\n\t}"},
	{"cancel: frees the slot of what still runs", "fx.breakOff = ex\n\t}\n\tfn.end(", "fx.breakOff = ex\n\t\tfn.releaseSlot(fx, ex)\n\t}\n\tfn.end("},

	// Drain, drain-once, scheduler, backlog.
	{"drain: calls with a key are taken", "if c.draining.Load() {", "if c.draining.Load() && r.IdempotencyKey == \"\" {"},
	{"drain once: its end is not told", "fx.attemptEnded, ex.more.attemptEnded = ex.more.attemptEnded, nil", "ex.more.attemptEnded = nil"},
	{"drain once: without a free slot", "if fn.queue.live == 0 || !fn.slotFree() || fn.deleted {", "if fn.queue.live == 0 || fn.deleted {"},
	{"drain once: says that it did nothing", "return fx.dispatch != nil, nil", "return false, nil"},
	{"scheduler off: enqueued work starts at once", "direct := fn.queue.live == 0 && fn.slotFree() && (ex.sync || !c.cfg.SchedulerOff)", "direct := fn.queue.live == 0 && fn.slotFree()"},
	{"scheduler off: enqueued work is served", "(!fn.core.cfg.SchedulerOff || fn.syncQueued+fn.joinQueued > 0)", "true"},
	{"scheduler off: a joined call drives nothing", "fn.syncQueued+fn.joinQueued > 0", "fn.syncQueued > 0"},
	{"backlog: nobody is told", "c.cfg.OnBacklog()\n", "_ = c\n"},
	{"backlog: a pump says that nothing is left", "return c.ready.count.Load() > 0\n", "return false\n"},
	{"forget: its own caller is woken", "ex.waiter, place = nil, 1", "place = 1"},
	{"forget: a joined caller is woken", "func(other Waiter) bool { return other == w })\n\tif ex.inQueue()", "func(other Waiter) bool { return false })\n\tif ex.inQueue()"},

	// Rates and admission.
	{"rate: another global limit is not taken", "func (c *Core) SetRateMaxPerSecond(n int64) { c.limiter.SetLimit(n) }", "func (c *Core) SetRateMaxPerSecond(n int64) {}"},
	{"window: lasts a millisecond longer", "uint64(max(wall, 0)/int64(time.Second))", "uint64(max(wall, 0)/int64(1001*time.Millisecond))"},
	{"rate: the function's own limit is not asked", "own, ownLater, ok := fn.limiter.take(now.Wall)", "own, ownLater, ok := uint32(0), false, true"},
	// Alive: it shows where a function's own window and that of all are full in one second,
	// which hardly any seed has.
	{"rate: refused calls count for all", "all, allLater, ok := c.limiter.take(now.Wall)\n\tif !ok {", "all, allLater, ok := c.limiter.take(now.Wall)\n\tif !ok && fn != nil {\n\t\tfn.limiter.state.Add(1)"},
	{"sync queue: another setting is not taken", "c.admission.cfg.Store(&cfg)\n\treturn nil", "_ = &cfg\n\treturn nil"},
	{"sync queue: one more than its depth", "depth >= int64(cfg.MaxDepth)", "depth > int64(cfg.MaxDepth)"},
	{"sync queue: the estimate counts although it is off", "if cfg.EstimateDisabled {", "if false {"},
	{"sync queue: callers wait twice as long", "now.Mono + int64(cfg.MaxQueueWait)", "now.Mono + 2*int64(cfg.MaxQueueWait)"},
	{"sync queue: retries keep the first wait's deadline", "\tex.queueDeadline = 0 // it has run", "\t// it has run"},

	// Keys.
	{"keys: one more than the bound", "s.count.Add(1) > s.maxCount", "s.count.Add(1) > s.maxCount+1"},
	{"keys: a full store makes no room", "if s.crowded(k) {", "if s.crowded(k) && false {"},
	{"keys: swept a second late", "e.token == 0 && e.storedAt+s.ttl < now {\n\t\t\ts.evict", "e.token == 0 && e.storedAt+s.ttl+1e9 < now {\n\t\t\ts.evict"},
	{"keys: a full store takes over keys that live", "if e == nil || (e.token == 0 && e.storedAt+s.ttl < now)", "if e == nil || (e.token == 0 && (e.storedAt+s.ttl < now || s.count.Load() >= s.maxCount))"},

	// Deadlines, buckets, lists.
	{"deadline: an earlier one does not set the timer", "(fn.armedAt != 0 && fn.armedAt <= at)", "fn.armedAt != 0"},
	{"deadline: the timer is not set again", "\t\tfn.armedAt = 0\n\t\tfn.arm(fx.now)\n\t\treturn\n", "\t\tfn.arm(fx.now)\n\t\treturn\n"},
	{"deadline: the heap takes the later child", "d.items[r].before(d.items[child])", "d.items[child].before(d.items[r])"},
	{"deadline: what takes a removed one's place does not rise", "\tif !d.down(i) {\n\t\td.up(i)\n\t}", "\td.down(i)"},
	{"bucket: the earliest of it is the first that came", "if len(b.entries) == 0 || due < b.first {", "if len(b.entries) == 0 {"},
	// Alive: what it delays is within one bucket, which is as wide as the time between two
	// sweeps, and so late by no more than anything may be.
	{"bucket: after a part of it has gone the earliest is wrong", "if len(kept) == 0 || e.due < b.first {", "if len(kept) == 0 {"},
	{"bucket: the heap of keys takes the later child", "c.keys[child+1] < c.keys[child]", "c.keys[child+1] > c.keys[child]"},
	{"sweep: the last shard is left out", "for i := range c.store.shards {\n\t\tfor c.sweepBucket(", "for i := range max(1, len(c.store.shards)-1) {\n\t\tfor c.sweepBucket("},
	// Alive: it takes more than sixteen functions that are ready at once, after some have
	// been served, which no seed tried has.
	{"ready list: grows out of order", "grown[i] = l.items[(l.head+i)%len(l.items)]", "grown[i] = l.items[i]"},

	// Dead letters.
	{"dead letters: no bound of bytes", "for d.bytes > d.maxBytes {", "for false {"},
	{"dead letters: the name with the fewest bytes gives way", "cmp.Compare(s[j].bytes, s[i].bytes)", "cmp.Compare(s[i].bytes, s[j].bytes)"},
	{"dead letters: one more than the bound", "len(q.items) >= d.perFunction", "len(q.items) > d.perFunction"},
	{"dead letters: kept a second longer", "now-q.items[n].ended > d.ttl", "now-q.items[n].ended > d.ttl+1e9"},
	{"dead letters: a purge leaves them", "n := len(q.items)\n\tc.dead.forget(q)", "n := len(q.items)"},
	{"dead letters: without the input", "Input: slices.Clone(ex.input)}", "Input: []byte{}}"},
	{"dead letters: a page repeats one", "from := max(len(items)-limit, 0)", "from := max(len(items)-limit-1, 0)"},
	{"dead letters: those that are dropped are not counted", "d.remove(q, 0).drop(d.journal)\n\tq.dropped++", "d.remove(q, 0).drop(d.journal)"},
	{"dead letters: a purge does not say how many", "return n, at, nil", "return n - n, at, nil"},

	// Scaling.
	{"scaling: a lower maximum waits for the window", "if lowered && a.policy.desired > a.spec.MaxReplicas {", "if lowered && false {"},
	{"scaling: no cool-down of steps up", "if now-p.upAt < t.upCooldown && want < 2*p.desired {", "if false {"},
	{"scaling: no cool-down of steps down", "now-max(p.upAt, p.downAt) < t.downCooldown", "false"},
	{"scaling: falls for less than a fifth", "(!idle && 5*(p.desired-floor) < p.desired)", "false"},
	{"scaling: to zero without grace", "at.now-a.busyAt >= grace", "at.now-a.busyAt >= 0"},
	{"scaling: slots for each instance follow at once", "p.target >= cc.MaxTargetInFlightPerPod || since < millis(cc.UpscaleCooldownMs)", "p.target >= cc.MaxTargetInFlightPerPod"},
	{"scaling: slots for each instance fall at once", "p.target <= cc.MinTargetInFlightPerPod || since < millis(cc.DownscaleCooldownMs)", "p.target <= cc.MinTargetInFlightPerPod"},
	{"scaling: slots for each instance pass their maximum", "p.target >= cc.MaxTargetInFlightPerPod ||", "p.target > cc.MaxTargetInFlightPerPod ||"},
	{"scaling: a retry does not wake it from zero", "fx.wake = a.noticeRetry(fx.now.Mono)\n\t}\n\tfx.happen(EventRequeued", "_ = a\n\t}\n\tfx.happen(EventRequeued"},
	{"scaling: a deleted function is looked at", "\tif fn.deleted {\n\t\tfn.auto.Load().armed = false\n\t\treturn\n\t}\n", ""},
	{"scaling: reports of what is not listed are taken", "if !fx.did {\n\t\tv.add(\"metric\"", "if false {\n\t\tv.add(\"metric\""},
}
