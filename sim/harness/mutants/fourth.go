package main

// fourthMutants are small changes of meaning in all files of core once more: bounds, wrong
// answers, wake-ups, texts, cool-downs, ages that are exactly a limit. Each broke an invariant
// when it was tried. Of those that were tried with them and are not here some change nothing that
// one goroutine can see:
//
//   - a waiter of an async call, which has none, joins;
//   - a pump that takes a turn less, and says so;
//   - drain-once that does not serve: what it frees is in the ready list already, or was not in use;
//   - a caller who joins while others are asked whether they are there, which takes two;
//   - replicas set by hand that start one of the two pauses before a step down: the later counts;
//   - calls of the provider that overlap, or become due during one, which takes two;
//   - keys and letters that a restart drops when they are exactly as old as their TTL, where a
//     process must begin at that nanosecond;
//   - an echo that is written whole, which costs room in the journal.
var fourthMutants = []mutant{
	// Admission.
	{"admission: two ends of its own are enough", "const minCompletions = 3", "const minCompletions = 2"},
	{"admission: a wait at the limit is above it", "known && wait > cfg.MaxEstimatedWait", "known && wait >= cfg.MaxEstimatedWait"},
	{"admission: a burst is taken for a rate", "min(max(span, time.Second), throughputSeconds*time.Second)", "min(max(span, 1), throughputSeconds*time.Second)"},
	{"admission: retries do not count in the depth", "\tif ex.sync {\n\t\tfn.syncQueued += int(by)\n\t\tfn.core.admission.depth.Add(int64(by))", "\tif ex.sync {\n\t\tfn.syncQueued += int(by)\n\t\tif ex.attempt > 1 {\n\t\t\treturn\n\t\t}\n\t\tfn.core.admission.depth.Add(int64(by))"},
	{"admission: only callers that wait make a newcomer wait", "depth := fn.queue.live\n\tfn.mu.Unlock()", "depth := fn.syncQueued\n\tfn.mu.Unlock()"},
	{"admission: without an estimate there is no depth", "\tif depth := a.depth.Load(); depth >= int64(cfg.MaxDepth) {", "\tif depth := a.depth.Load(); depth >= int64(cfg.MaxDepth) && !cfg.EstimateDisabled {"},
	{"admission: the longest wait holds although it is off", "if cfg := c.admission.cfg.Load(); cfg.Enabled {", "if cfg := c.admission.cfg.Load(); cfg.MaxQueueWait > 0 {"},
	{"admission: a free slot is enough", "if !cfg.Enabled || (fn.slotFree() && a.inFlight.Load() < int64(cfg.MaxConcurrency)) {", "if !cfg.Enabled || fn.slotFree() {"},
	{"admission: attempts after the first are not in flight", "\tif ex.sync {\n\t\tfn.core.admission.inFlight.Add(-1)", "\tif ex.sync && ex.attempt == 1 {\n\t\tfn.core.admission.inFlight.Add(-1)"},

	// Submissions.
	{"join: is told as a new one", "*res = Result{ID: id, Existing: true, Snapshot", "*res = Result{ID: id, Snapshot"},
	{"join: nobody is said to wait", "Snapshot: fx.told, Waiting: fx.did, LSN", "Snapshot: fx.told, LSN"},
	{"join: what has ended is waited for", "if in.waiter != nil && !fx.told.Status.Terminal() {", "if in.waiter != nil {"},
	{"submit: nobody is said to wait", "res.ID, res.Waiting, res.LSN = id, r.Sync, fx.restsOn", "res.ID, res.LSN = id, fx.restsOn"},
	{"submit: async work is said to be waited for", "res.ID, res.Waiting, res.LSN = id, r.Sync, fx.restsOn", "res.ID, res.Waiting, res.LSN = id, true, fx.restsOn"},
	{"submit: room is made for who finds the queue full", "depth, size := fn.QueueDepth(), fn.QueueSize(); depth >= size {", "depth, size := fn.QueueDepth(), fn.QueueSize(); depth > size {"},
	{"submit: the timeout is not held down", "\tex.timeout = min(ex.timeout, maxTimeout)\n", ""},
	{"submit: a full store is a full queue", "\t\tr.seen = [2]uint64{1, 0}\n\t\treturn nil, ErrStoreFull", "\t\tr.seen = [2]uint64{1, 0}\n\t\treturn nil, ErrQueueFull"},
	{"submit: a full store of keys is a full store", "return c.reject(fn, r, now, ErrIdempotencyFull)", "return c.reject(fn, r, now, ErrStoreFull)"},
	{"submit: a key that is reused finds the store of keys full", "return c.reject(fn, r, now, ErrKeyReused)", "return c.reject(fn, r, now, ErrIdempotencyFull)"},
	{"submit: an unknown function drains", "return c.reject(nil, r, now, ErrNotFound)", "return c.reject(nil, r, now, ErrDraining)"},
	{"submit: trace contexts do not count", "len(r.IdempotencyKey) + len(r.Trace.Parent) + len(r.Trace.State))", "len(r.IdempotencyKey))"},
	{"submit: the event has no tag", "fx.event.Attempt, fx.event.Tag = 1, in.tag", "fx.event.Attempt = 1"},
	{"submit: callers that run in hand are dispatched, too", "\tif fx.inHand {\n\t\treturn false\n\t}\n", ""},
	{"submit: attempts in hand are of async work, too", "fx.inHand = in.callerRuns && ex.sync", "fx.inHand = in.callerRuns"},
	{"submit: the queue behind an attempt in hand is not counted", "direct := fn.queue.live == 0 && fn.slotFree() &&", "direct := fn.slotFree() &&"},

	// Snapshots.
	{"answer: the end is the start", "s.FinishedAtMillis = ex.finished / int64", "s.FinishedAtMillis = ex.started / int64"},
	{"answer: cleaned up or not", "ex.coldStart, ex.initMs, ex.attempt, ex.cleaned\n", "ex.coldStart, ex.initMs, ex.attempt, false\n"},
	{"answer: due for cleanup and shown whole", "if s.Status.Terminal() && c.store.ttl.cleanable(ex.finished, now.Wall) {", "if false {"},
	{"answer: due for cleanup, and the key is shown", "s.Idempotency, s.TraceID, s.Attempts = \"\", \"\", nil", "s.TraceID, s.Attempts = \"\", nil"},
	{"answer: due for cleanup, and the attempts are shown", "s.Idempotency, s.TraceID, s.Attempts = \"\", \"\", nil", "s.Idempotency, s.TraceID = \"\", \"\""},
	{"answer: core's own errors go with the cleanup", "if e == nil || !e.shared {\n\t\treturn nil", "if e != nil {\n\t\treturn nil"},
	{"answer: input stays after the cleanup", "\tif !d.CleanedUp {\n", "\tif true {\n"},
	{"stale: running work counts from its creation", "\tcase ex.status == Running:\n\t\treturn ex.started\n", ""},
	{"retry: the wait counts from the attempt before", "\tex.queuedMono = now.Mono\n\tex.queueDeadline", "\tex.queueDeadline"},
	{"echo: counts twice", "\tif !sameBytes(ex.input, ex.output) {\n", "\tif true {\n"},
	{"deadline: the first wait's end holds while it runs", "\tif ex.status == Queued {\n\t\tearlier(ex.queueDeadline)\n\t}", "\tif !ex.status.Terminal() {\n\t\tearlier(ex.queueDeadline)\n\t}"},
	{"attempts: started when the execution was created", "StartedMillis: ex.started / int64", "StartedMillis: ex.created / int64"},
	{"attempts: seven are kept", "attemptsKept = 8", "attemptsKept = 7"},
	{"attempts: the newest is forgotten", "kept = append(kept[:0:0], kept[1:]...)", "kept = append(kept[:0:0], kept[:len(kept)-1]...)"},
	{"attempts: older snapshots change", "kept = append(kept[:0:0], kept[1:]...)", "kept = append(kept[:0], kept[1:]...)"},
	{"attempts: messages are clipped shorter", "attemptMessage = 256", "attemptMessage = 64"},

	// Completions.
	{"outside: an unknown execution is completed", "\tif ex == nil {\n\t\treturn 0, ErrExecutionGone\n\t}", "\tif ex == nil {\n\t\treturn 0, nil\n\t}"},
	{"outside: what is past its TTL has ended", "\tif fx.expired(ex) {\n\t\tfx.why = ErrExecutionGone\n\t\treturn\n\t}\n\tif fx.left(ex) {", "\tif fx.left(ex) {"},
	{"outside: a completion in good time is refused", "\tex.noteStart(&in.outcome)\n", "\tex.noteStart(&in.outcome)\n\tfx.why = ErrAlreadyEnded\n"},
	{"answer: a cold start of no time", "\tif o.Init > 0 {\n", "\tif o.Init >= 0 {\n"},
	{"answer: a dispatcher's timeout is an error", "\tcase Timeout:\n\tdefault:\n\t\tcode := o.Code", "\tdefault:\n\t\tcode := o.Code"},
	{"end: timeouts are not found as failures", "\tif how.status != Success {\n\t\tc.store.markFailed(ex)", "\tif how.status == Error {\n\t\tc.store.markFailed(ex)"},
	{"event: an end is of the first attempt", "ex.status, ex.attempt, ex.coldStart, -1", "ex.status, 1, ex.coldStart, -1"},
	{"event: an end has no code", "\tif ex.err != nil {\n\t\tev.Code = ex.err.Code\n\t}\n", ""},
	{"event: a dispatch is async", "At: fx.now, Sync: fx.dispatch.sync,", "At: fx.now,"},
	{"event: a dispatch has no trace", "QueueWait: fx.queueWait, Trace: fx.task.Trace,", "QueueWait: fx.queueWait,"},
	{"dispatch: nobody waits", "\ttask.Waiter = ex.waiter\n", ""},
	{"dispatch: no spec", "task.ID, task.Function, task.Spec, task.Input = ex.id, fn, fn.spec.Load(), ex.input", "task.ID, task.Function, task.Input = ex.id, fn, ex.input"},
	{"clip: codes are not", "Code: clip(code, MaxErrorCode), Message", "Code: code, Message"},
	{"clip: messages are not", "Message: clip(message, MaxErrorMessage)}", "Message: message}"},
	{"clip: a byte too much", "end := most - len(mark)\n", "end := most - len(mark) + 1\n"},
	{"clip: without a mark", "return text[:end] + mark", "return text[:end]"},
	{"clip: in the midst of a character", "\t\tend--\n\t}\n\treturn text[:end] + mark", "\t}\n\treturn text[:end] + mark"},
	{"errors: one that is cancelled was deleted", "sharedError(CodeCancelled, \"cancelled\")", "sharedError(CodeFunctionDeleted, \"cancelled\")"},
	{"errors: one that is stale was cancelled", "sharedError(CodeStale, ", "sharedError(CodeCancelled, "},

	// The scheduler.
	{"ready: the newest first", "\tl.items[(l.head+l.len)%len(l.items)] = fn\n", "\tl.head = (l.head + len(l.items) - 1) % len(l.items)\n\tl.items[l.head] = fn\n"},
	{"drain once: an unknown function is drained", "\tfn := c.registry.get(name)\n\tif fn == nil {\n\t\treturn false, ErrNotFound\n\t}\n\tfor {", "\tfn := c.registry.get(name)\n\tif fn == nil {\n\t\treturn false, nil\n\t}\n\tfor {"},

	// Retries.
	{"retry: a pause up to the deadline", "fx.now.Mono+int64(pause) >= deadline {", "fx.now.Mono+int64(pause) > deadline {"},
	{"retry: another number in the text", "fn.noRoom(ex.attempt, failed)", "fn.noRoom(ex.attempt+1, failed)"},
	{"retry: another number in the text after a pause", "fn.noRoom(ex.attempt-1, &failed)", "fn.noRoom(ex.attempt, &failed)"},
	{"retry: four minutes at most", "const maxRetryAfter = 5 * time.Minute", "const maxRetryAfter = 4 * time.Minute"},
	{"retry: a full queue is not the reason", "return newExecError(CodeQueueFull, fmt", "return newExecError(failed.Code, fmt"},
	{"retry: a queue with one place is full", "if pause == 0 && fn.queue.live >= fn.QueueSize() {", "if pause == 0 && fn.queue.live+1 >= fn.QueueSize() {"},
	{"retry: a queue with one place is full after a pause", "\tif fn.queue.live >= fn.QueueSize() {\n\t\tfailed := ex", "\tif fn.queue.live+1 >= fn.QueueSize() {\n\t\tfailed := ex"},
	{"retry: attempts of the new spec do not count", "if o.Permanent || int(ex.attempt) > spec.MaxRetries", "if o.Permanent || int(ex.attempt) >= max(spec.MaxRetries, 1)"},

	// Cancelling and leaving.
	{"cancel: what has ended is gone", "fx.why, fx.restsOn = ErrAlreadyEnded, ex.lastFact()", "fx.why, fx.restsOn = ErrExecutionGone, ex.lastFact()"},
	{"cancel: what is past its TTL has ended", "\tcase fx.expired(ex):\n\t\tfx.why = ErrExecutionGone\n\t\treturn\n", ""},
	{"cancel: an unknown execution is", "\tif ex == nil {\n\t\treturn Snapshot{}, ErrExecutionGone\n\t}", "\tif ex == nil {\n\t\treturn Snapshot{}, nil\n\t}"},
	{"leave: others count as gone", "func(w Waiter) bool { _, ok := w.(Leaver); return !ok })", "func(w Waiter) bool { return false })"},
	{"leave: a retry gives its key back", "\tif ex.attempt == 1 {\n\t\tfx.freeKey = ex", "\tif ex.attempt > 0 {\n\t\tfx.freeKey = ex"},
	{"late: seven samples are enough", "const minSamples = 8", "const minSamples = 7"},
	{"late: three deviations", "return s.mean + 4*s.dev", "return s.mean + 3*s.dev"},
	{"late: one is passed over", "\t\tfor q.fresh.live > 0 && fn.late(q.fresh.first(), now) {", "\t\tif q.fresh.live > 0 && fn.late(q.fresh.first(), now) {"},
	{"deadline: a wait that ends with the caller's time is too long", "ex.callerDeadline() > now.Mono\n", "ex.callerDeadline() >= now.Mono\n"},
	{"deadline: waits end a nanosecond late", "ex.queueDeadline > 0 && ex.queueDeadline <= now.Mono &&", "ex.queueDeadline > 0 && ex.queueDeadline < now.Mono &&"},

	// Functions.
	{"delete: what runs is forgotten", "\tc.leaving.add(fn)\n\tc.registry.remove(name)", "\tc.registry.remove(name)"},
	{"delete: answered payloads are forgotten", "\treturn fn.answered.oldest == nil\n", "\treturn true\n"},
	{"delete: the number of functions stays", "func(m map[string]*Function) { delete(m, name) })\n\tr.count--", "func(m map[string]*Function) { delete(m, name) })"},
	{"functions: one more than the bound", "if r.count >= r.max {", "if r.count > r.max {"},
	{"functions: a name twice", "if r.get(name) != nil || r.reserved[name] != nil {", "if r.reserved[name] != nil {"},
	{"functions: the first generation is of the spec", "\tfirst.Generation = 1\n", "\tfirst.Generation = 2\n"},
	{"functions: the bound is told as a name that exists", "return nil, ErrFunctionLimit", "return nil, ErrExists"},
	{"update: another generation is told as not found", "fx.why = ErrGenerationConflict", "fx.why = ErrNotFound"},
	{"update: replicas stay when it is not scaled any more", "\tif !fresh.scaled.Load() {\n\t\tfn.replicasWanted.Store(0)\n\t}\n", ""},
	{"update: does not wake the autoscaler", "\tif !a.armed && !a.waking {\n\t\ta.waking, fx.wake = true, true\n\t}", "\t_ = a.armed"},
	{"update: what is scaled from now on is not looked at", "\t\tfresh.waking, fx.wake = true, true\n", ""},
	{"update: an unscaled function goes on to be scaled", "\ta.scaled.Store(fresh.scaled.Load())\n", "\tif fresh.scaled.Load() {\n\t\ta.scaled.Store(true)\n\t}\n"},
	{"unfinished: those of deleted functions do not count", "\tfor _, fn := range append(c.registry.list(), c.leaving.list()...) {\n\t\tfn.mu.Lock()\n\t\tqueued", "\tfor _, fn := range c.registry.list() {\n\t\tfn.mu.Lock()\n\t\tqueued"},
	{"unfinished: durable ones of deleted functions do not count", "\tfor _, fn := range append(c.registry.list(), c.leaving.list()...) {\n\t\tfn.mu.Lock()\n\t\tn += fn.open", "\tfor _, fn := range c.registry.list() {\n\t\tfn.mu.Lock()\n\t\tn += fn.open"},

	// Sweeps and the store.
	{"sweep: keys are told of one by one", "Kind: EventKeysEvicted, At: now, Count: evicted", "Kind: EventKeysEvicted, At: now, Count: 1"},
	{"sweep: a bucket is looked at when it is over", "if len(c.keys) == 0 || c.keys[0] > now/c.width {", "if len(c.keys) == 0 || c.keys[0] >= now/c.width {"},
	{"sweep: is made a tenth as often", "return min(max(shortest/100, 10*time.Millisecond), time.Second)", "return min(max(shortest/10, 10*time.Millisecond), 10*time.Second)"},
	{"sweep: an end that is not durable is evicted", "case ttl.evictable(ex.finished, now.Wall) && fx.endHeld(ex):", "case ttl.evictable(ex.finished, now.Wall) && false:"},
	{"store: any id of a place finds what is there", "\tif ex == nil || ex.id != id {\n\t\treturn nil\n\t}\n\treturn ex", "\tif ex == nil {\n\t\treturn nil\n\t}\n\treturn ex"},
	{"store: a count that is refused stays", "\tif s.used.addCount(1) > s.maxCount {\n\t\ts.used.addCount(-1)", "\tif s.used.addCount(1) > s.maxCount {"},
	{"store: bytes that are refused stay", "\t\ts.used.addBytes(-n)\n\t\ts.used.addCount(-1)\n\t\treturn noBytes", "\t\ts.used.addCount(-1)\n\t\treturn noBytes"},
	{"store: the count of who finds no bytes stays", "\t\ts.used.addBytes(-n)\n\t\ts.used.addCount(-1)\n\t\treturn noBytes", "\t\ts.used.addBytes(-n)\n\t\treturn noBytes"},
	{"store: cleanup does not wait for a TTL that is shorter", "func (r retention) firstStep(finished int64) int64 {\n\treturn finished + min(r.cleanup, r.ttl)", "func (r retention) firstStep(finished int64) int64 {\n\treturn finished + r.cleanup"},
	{"room: just enough is not enough", "if c.excess(n) > most {", "if c.excess(n) >= most {"},
	{"room: no more than is needed", "slack := c.cfg.MaxPayloadBytes / reliefShare", "slack := int64(0)"},
	{"room: answered bytes of one function", "\t\tbytes += f.oldest()\n\t}\n\treturn bytes", "\t\tbytes = f.oldest()\n\t}\n\treturn bytes"},
	{"room: bytes of what has gone stay", "\tex.older, ex.newer = nil, nil\n\ta.bytes -= ex.payloadBytes()", "\tex.older, ex.newer = nil, nil"},

	// Scaling.
	{"scaling: a call is repeated later", "askAgain = 2 * time.Second", "askAgain = 3 * time.Second"},
	{"scaling: figures count a second less", "reportMaxAge = 60 * time.Second", "reportMaxAge = 59 * time.Second"},
	{"scaling: a report does not wake it", "fx.did, fx.wake = true, !a.armed", "fx.did = true"},
	{"scaling: a report always wakes it", "fx.did, fx.wake = true, !a.armed", "fx.did, fx.wake = true, true"},
	{"scaling: reports of unscaled functions are taken", "if a == nil || !a.scaled.Load() || !a.takesReport(", "if a == nil || !a.takesReport("},
	{"scaling: by hand where it is not scaled", "\tif !fn.Autoscaled() {\n\t\tv.add(\"scalingConfig\"", "\tif false {\n\t\tv.add(\"scalingConfig\""},
	{"scaling: by hand does not keep it busy", "\ta.busyAt = fx.now.Mono\n\tfx.scaled = a.policy.set", "\tfx.scaled = a.policy.set"},
	{"scaling: by hand does not start the pause of steps up", "p.desired, p.upAt, p.downAt = n, now, now", "p.desired, p.downAt = n, now"},
	{"scaling: idle a nanosecond later", "at.now-a.busyAt >= grace", "at.now-a.busyAt > grace"},
	{"scaling: the pause of steps up is a nanosecond longer", "now-p.upAt < t.upCooldown", "now-p.upAt <= t.upCooldown"},
	{"scaling: the pause of steps down is a nanosecond longer", "now-max(p.upAt, p.downAt) < t.downCooldown", "now-max(p.upAt, p.downAt) <= t.downCooldown"},
	{"scaling: a fifth less is too little", "5*(p.desired-floor) < p.desired", "5*(p.desired-floor) <= p.desired"},
	{"scaling: the window forgets at its age", "m.items[n].at < since", "m.items[n].at <= since"},
	{"scaling: to zero before it is idle", "floor = max(p.asked.max(), 1)", "floor = p.asked.max()"},
	{"scaling: figures of another name count", "if m.Type == metric && m.Name == name && reported(metric) {", "if m.Type == metric && reported(metric) {"},
	{"scaling: a figure from before the first instance is of none", "\tif r.ready == 0 { // reported before the first was ready\n\t\tr.ready = at.ready\n\t}\n", ""},
	{"scaling: a rate over nine seconds", "const rateWindow = 10 * time.Second", "const rateWindow = 9 * time.Second"},
	{"scaling: a rate over fewer looks", "const rateSamples = 6", "const rateSamples = 5"},
	{"scaling: a burst is taken for a rate", "span := max(last.at-first.at, int64(time.Second))", "span := max(last.at-first.at, 1)"},
	{"scaling: the least of the figures", "\t\tn = max(n, w)\n", "\t\tn = w\n"},
	{"scaling: slots begin above their bound", "\tif cc.adaptive() {\n\t\tp.target = min(max(p.target, cc.MinTargetInFlightPerPod), cc.MaxTargetInFlightPerPod)", "\tif false {\n\t\tp.target = min(max(p.target, cc.MinTargetInFlightPerPod), cc.MaxTargetInFlightPerPod)"},
	{"scaling: slots that have not moved yet go on after an update", "if !cc.adaptive() || p.changedAt == never {", "if !cc.adaptive() {"},
	{"scaling: slots stay outside new bounds", "\tp.target = min(max(p.target, cc.MinTargetInFlightPerPod), cc.MaxTargetInFlightPerPod)\n\treturn p\n}\n\n// adapt", "\treturn p\n}\n\n// adapt"},
	{"scaling: high load is above its threshold", "share >= cc.HighLoadThreshold", "share > cc.HighLoadThreshold"},
	{"scaling: low load is below its threshold", "share <= cc.LowLoadThreshold", "share < cc.LowLoadThreshold"},
	{"scaling: slots rise a nanosecond later", "since < millis(cc.UpscaleCooldownMs)", "since <= millis(cc.UpscaleCooldownMs)"},
	{"scaling: slots fall a nanosecond later", "since < millis(cc.DownscaleCooldownMs)", "since <= millis(cc.DownscaleCooldownMs)"},
	{"scaling: rests with a queue", "return fn.queue.live == 0 && fn.InFlight() == 0 && a.met(fn) &&", "return fn.InFlight() == 0 && a.met(fn) &&"},
	{"scaling: rests while work runs", "return fn.queue.live == 0 && fn.InFlight() == 0 && a.met(fn) &&", "return fn.queue.live == 0 && a.met(fn) &&"},
	{"scaling: rests below the minimum", "a.policy.desired == a.spec.MinReplicas) &&", "a.policy.desired <= a.spec.MinReplicas) &&"},
	{"scaling: a new function has no instances", "\tif fn.Autoscaled() && fn.Spec().ScalingConfig.MinReplicas > 0 {", "\tif false {"},
	{"scaling: more slots per instance, and the loop does not look for less", "if a.waking || (a.armed && (!a.scaled.Load() || a.policy.desired > 0)) {", "if a.waking || a.armed && !a.scaled.Load() {"},

	// Dead letters.
	{"letters: larger than their bound", "\tif l.bytes() > d.maxBytes {", "\tif false {"},
	{"letters: as large as their bound is too large", "\tif l.bytes() > d.maxBytes {", "\tif l.bytes() >= d.maxBytes {"},
	{"letters: go when they are as old as their TTL", "now-q.items[n].ended > d.ttl {", "now-q.items[n].ended >= d.ttl {"},
	{"letters: bytes of those that are taken stay", "\td.count(q, -q.items[i].bytes())\n", ""},
	{"letters: those past their TTL are listed", "\tc.dead.expire(q, c.clock.Now().Wall)\n\treturn q, nil", "\treturn q, nil"},
	{"letters: those past their TTL are found", "\td.expire(q, now)\n\treturn q, slices.IndexFunc", "\treturn q, slices.IndexFunc"},
	{"letters: there is always another page", "More: from > 0, Dropped", "More: from >= 0, Dropped"},
	{"letters: too large and not counted", "\tif l.bytes() > d.maxBytes {\n\t\tq.dropped++\n", "\tif l.bytes() > d.maxBytes {\n"},
	{"letters: of equal names the last gives way", "cmp.Compare(s[i].name, s[j].name)) < 0", "cmp.Compare(s[j].name, s[i].name)) < 0"},
	{"letters: a page is one short", "from := max(len(items)-limit, 0)", "from := max(len(items)-limit+1, 0)"},
	{"letters: one that is not there is redriven", "\tl, ok := c.dead.get(name, id, c.clock.Now().Wall)\n\tif !ok {\n\t\treturn Result{}, ErrNotFound", "\tl, ok := c.dead.get(name, id, c.clock.Now().Wall)\n\tif !ok {\n\t\treturn Result{}, ErrExecutionGone"},

	// Keys and rates.
	{"keys: a key that is given back counts", "\tdelete(sh.entries, e.key)\n\ts.count.Add(-1)\n", "\tdelete(sh.entries, e.key)\n"},
	{"keys: bytes of the name do not count", "return int64(len(k.function) + len(k.key)) }", "return int64(len(k.key)) }"},
	{"keys: a claim that is taken over keeps its time", "e.id, e.token, e.storedAt, e.settled = id, 0, now, nil", "if e.storedAt == 0 {\n\t\te.storedAt = now\n\t}\n\te.id, e.token, e.settled = id, 0, nil"},
	{"keys: another function's key", "k := idempotencyKey{function, key}\n\tsh := s.shard(k)\n\tsh.mu.Lock()\n\tdefer sh.mu.Unlock()\n\tstep := keyStep{Step: Step{A: keyAcquire", "k := idempotencyKey{\"\", key}\n\tsh := s.shard(k)\n\tsh.mu.Lock()\n\tdefer sh.mu.Unlock()\n\tstep := keyStep{Step: Step{A: keyAcquire"},
	{"rate: no limit is none at all", "\tif limit <= 0 {\n\t\treturn 0, false, true", "\tif limit < 0 {\n\t\treturn 0, false, true"},
	{"rate: a refusal takes a place", "\t\t\t\treturn uint32(old), second < old>>32, false", "\t\t\t\tl.state.Store(old + 1)\n\t\t\t\treturn uint32(old), second < old>>32, false"},

	// Recordings that begin late.
	{"late: an attempt that has lost its slot counts for how long attempts take", "o.Status == Success && ex.holdsSlot && fn", "o.Status == Success && ex.startedMono >= 0 && fn"},

	// Searches.
	{"search: running work is found only beside queued", "queued, inFlight := c.Unfinished(); queued+inFlight == 0 &&", "queued, _ := c.Unfinished(); queued == 0 &&"},
	{"search: another function of the same tag is found", "!at.older(s.upto), s.Function != \"\" && ex.fn.name != s.Function:", "!at.older(s.upto):"},
	{"search: any key", "\tcase s.Key != \"\" && (ex.more == nil || ex.more.idempotencyKey != s.Key):\n\t\treturn nil\n", ""},
	{"search: any code", "case s.Code != \"\" && (ex.err == nil || ex.err.Code != s.Code):", "case s.Code != \"\" && ex.err == nil:"},
	{"search: a clock that was set back is not heeded", "\t\tseg.late = max(seg.late, t.newest-ex.created)\n", ""},
	{"search: an execution that comes late is the newest", "\tif ex.created >= t.newest {\n\t\tt.newest = ex.created", "\tif true {\n\t\tt.newest = ex.created"},
	{"search: since is a millisecond late", "\t\ts.since = nanos(q.Since)\n", "\t\ts.since = nanos(q.Since + 1)\n"},
	{"search: a full page says that there is more", "return len(s.found) > s.Limit }", "return len(s.found) >= s.Limit }"},

	// Facts and restarts.
	{"restart: an attempt less", "if fn.deleted || int(ex.attempt) > fn.spec.Load().MaxRetries {", "if fn.deleted || int(ex.attempt) >= fn.spec.Load().MaxRetries {"},
	{"restart: those of a deleted function run again", "if fn.deleted || int(ex.attempt) > fn.spec.Load().MaxRetries {", "if int(ex.attempt) > fn.spec.Load().MaxRetries {"},
	{"restart: the wait counts from the restart", "e.ex.createdMono, e.ex.queuedMono = now.Mono-age, now.Mono-age", "e.ex.createdMono, e.ex.queuedMono = now.Mono-age, now.Mono"},
	{"restart: ages count from the restart", "e.ex.createdMono, e.ex.queuedMono = now.Mono-age, now.Mono-age", "e.ex.createdMono, e.ex.queuedMono = now.Mono, now.Mono-age"},
	{"restart: echoes are empty", "\tif f.Echo {\n\t\toutput = ex.input\n\t}\n", ""},
	{"facts: one user is enough", "if l == nil || l.users.Add(-1) > 0 {", "if l == nil || l.users.Add(-1) > 1 {"},
	{"journal full: told as no journal", "return false, ErrJournalFull", "return false, ErrNoJournal"},
	{"journal full: functions are taken", "if c.cfg.Journal != nil && !c.cfg.Journal.Room() {\n\t\treturn nil, ErrJournalFull", "if false {\n\t\treturn nil, ErrJournalFull"},
}
