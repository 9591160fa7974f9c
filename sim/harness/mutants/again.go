package main

// againMutants are of all files of core, as somebody might plant them who does not know the
// checker. Each broke an invariant when it was tried.
var againMutants = []mutant{
	// What waits for the journal.
	{"held: a fact early", "return uint64(l) <= q.durable.Load()", "return uint64(l) <= q.durable.Load()+1"},
	{"held: a fact late", "return uint64(l) <= q.durable.Load()", "return uint64(l) < q.durable.Load()"},
	{"held: a durable call that is cancelled is not broken off", "if h.breakOff {", "if false {"},
	{"held: effects of others are lost", "n := copy(q.items, q.items[q.head:])", "n := copy(q.items, q.items[q.head:]) - min(1, len(q.items)-q.head)"},

	// Passed over.
	{"late: those passed over go first", "ex := q.fresh.pop()\n\tif ex == nil {\n\t\tex = q.late.pop()", "ex := q.late.pop()\n\tif ex == nil {\n\t\tex = q.fresh.pop()"},

	// Room.
	{"room: twice as much as is needed", "const reliefShare = 64", "const reliefShare = 8"},
	{"room: what outlived its end is not known", "\tif ex.answerable() { // its attempt has outlived it\n\t\tfn.answered.push(ex)\n\t}\n", ""},
	{"room: of the third function, not of the second", "case len(h) > 2 && h.Less(2, 1):", "case len(h) > 2 && h.Less(1, 2):"},
	{"room: deleted functions keep theirs", "[][]*Function{c.registry.list(), c.leaving.list()} {\n\t\t\tfor _, fn := range list {\n\t\t\t\tif !yield", "[][]*Function{c.registry.list()} {\n\t\t\tfor _, fn := range list {\n\t\t\t\tif !yield"},
	{"room: keys do not count", "return c.store.used.bounded() + c.keys.Bytes() + n", "return c.store.used.bounded() + n"},
	{"room: a refused payload keeps its bytes", "\t\ts.used.addBytes(-n)\n\t\ts.used.addCount(-1)\n\t\treturn noBytes", "\t\ts.used.addCount(-1)\n\t\treturn noBytes"},
	{"store: one more than its bound", "if s.used.addCount(1) > s.maxCount {", "if s.used.addCount(1) > s.maxCount+1 {"},
	{"store: one less than its bound", "if s.used.addCount(1) > s.maxCount {", "if s.used.addCount(1) >= s.maxCount {"},
	{"store: a byte less than its bound", "if s.used.addBytes(n)+beside > s.maxBytes {", "if s.used.addBytes(n)+beside >= s.maxBytes {"},

	// Searches.
	{"search: equal times in the other order", "p.Created == q.Created && bytes.Compare(p.ID[:], q.ID[:]) < 0", "p.Created == q.Created && bytes.Compare(p.ID[:], q.ID[:]) > 0"},
	{"search: since is exclusive", "case ex.created < s.since, !at.older", "case ex.created <= s.since, !at.older"},
	{"search: what is past its TTL is found", "case c.expired(ex, s.now) || !s.Statuses.has(ex.status):", "case !s.Statuses.has(ex.status):"},
	{"search: the last page says that there is more", "func (s *search) full() bool { return len(s.found) > s.Limit }", "func (s *search) full() bool { return len(s.found) >= s.Limit }"},
	{"search: failures that are swept are not marked", "records.markFailed(sh.place(ex))", "records.markFailed(sh.place(ex) &^ 1)"},

	// Pauses.
	{"backoff: the first pause is grown", "for n := int32(1); n < attempt && ms < most", "for n := int32(0); n < attempt && ms < most"},
	{"backoff: jitter makes pauses longer only", "%uint64(2*spread+1)) - spread", "%uint64(2*spread+1))"},
	{"backoff: what was asked for is added", "return max(time.Duration(pause), min(asked, maxRetryAfter))", "return time.Duration(pause) + min(asked, maxRetryAfter)"},
	{"backoff: seconds and not milliseconds of what was asked for", "return max(time.Duration(pause), min(asked, maxRetryAfter))", "return max(time.Duration(pause), min(asked, maxRetryAfter).Truncate(time.Second))"},
	{"retry: shown for the wrong time", "s.RetryAtMillis = ex.more.attempts, ex.more.retryAt.Wall/int64(time.Millisecond)", "s.RetryAtMillis = ex.more.attempts, ex.more.moved/int64(time.Millisecond)"},
	{"retry: the age for a sweep counts from before the pause", "ex.queuedMono, ex.more.moved = fx.now.Mono, fx.now.Wall", "ex.queuedMono = fx.now.Mono"},
	{"retry: the wait counts from before the pause", "ex.queuedMono, ex.more.moved = fx.now.Mono, fx.now.Wall", "ex.more.moved = fx.now.Wall"},

	// Answers and events.
	{"answer: no key", "s.Idempotency, s.TraceID = ex.more.idempotencyKey, ex.more.traceID", "s.TraceID = ex.more.traceID"},
	{"event: the end's time counts from the queue", "ev.E2E = time.Duration(fx.now.Mono - ex.createdMono)", "ev.E2E = time.Duration(fx.now.Mono - ex.queuedMono)"},
	{"event: the service counts from the queue", "ev.Service = time.Duration(fx.now.Mono - ex.startedMono)", "ev.Service = time.Duration(fx.now.Mono - ex.queuedMono)"},
	{"event: sync or not", "c.observe(&Event{Kind: EventRejected, Function: fn, At: now, Sync: r.Sync,", "c.observe(&Event{Kind: EventRejected, Function: fn, At: now, Sync: false,"},
	{"cancel: no attempt is broken off", "case ex.holdsSlot && !ex.answered:", "case ex.holdsSlot && ex.answered:"},
	{"cancel: another attempt is broken off", "d.Cancel(fx.breakOff.id, int(fx.breakOff.attempt))", "d.Cancel(fx.breakOff.id, int(fx.breakOff.attempt)-1)"},

	// Keys.
	{"keys: a hit makes the key live longer", "if e.token == 0 {\n\t\t\treturn Existing, 0, e.id", "if e.token == 0 {\n\t\t\te.storedAt = step.Wall\n\t\t\treturn Existing, 0, e.id"},
	{"keys: bytes of evicted ones stay", "\ts.bytes.Add(-e.key.bytes())\n}", "}"},
	{"join: a hit costs no place in the rate", "c.observe(&Event{Kind: EventIdempotentHit,", "c.limiter.state.Add(^uint64(0))\n\tc.observe(&Event{Kind: EventIdempotentHit,"},

	// Admission of callers.
	{"admission: one less than its depth", "depth >= int64(cfg.MaxDepth)", "depth+1 >= int64(cfg.MaxDepth)"},
	{"admission: at the limit is above it", "known && wait > cfg.MaxEstimatedWait", "known && wait >= cfg.MaxEstimatedWait"},
	{"admission: one in flight less before the checks", "fn.slotFree() && a.inFlight.Load() < int64(cfg.MaxConcurrency)", "fn.slotFree() && a.inFlight.Load()+1 < int64(cfg.MaxConcurrency)"},

	// Scaling.
	{"scaling: figures count for an hour", "reportMaxAge = 60 * time.Second", "reportMaxAge = 3600 * time.Second"},
	{"scaling: below the minimum", "return min(max(n, a.spec.MinReplicas), a.spec.MaxReplicas), outside", "return min(n, a.spec.MaxReplicas), outside"},
	{"scaling: the window ends a look early", "p.asked.forget(now - t.downWindow)", "p.asked.forget(now - t.downWindow/2)"},
	{"scaling: grace twice as long", "at.now-a.busyAt >= grace", "at.now-a.busyAt >= 2*grace"},
	{"scaling: by hand does not start the cool-downs", "p.desired, p.upAt, p.downAt = n, now, now", "p.desired = n"},
	{"scaling: by hand is forgotten by the window", "\tp.asked.add(now, n)\n\treturn changed", "\treturn changed"},
	{"scaling: slots for each instance do not fall", "case share <= cc.LowLoadThreshold:", "case share < 0:"},
	{"scaling: a change of slots does not start the pause", "\tp.changedAt = at.now\n", ""},
	{"scaling: an update starts slots for each instance anew", "if !cc.adaptive() || p.changedAt == never {", "if true {"},

	// Dead letters.
	{"dead letters: places are given twice", "\tq.last++\n\tl.Place = q.last\n", "\tl.Place = q.last\n\tif q.last%5 != 0 || len(q.items)%2 == 0 {\n\t\tq.last++\n\t}\n"},
	{"dead letters: a page begins with the one before", "items = items[:below]", "items = items[:min(below+1, len(items))]"},
	{"dead letters: the newest gives way", "d.remove(q, 0).drop(d.journal)\n\tq.dropped++", "d.remove(q, len(q.items)-1).drop(d.journal)\n\tq.dropped++"},
	{"dead letters: ids newest first", "ids[i] = shown[i].ID", "ids[i] = shown[len(ids)-1-i].ID"},
	{"dead letters: overhead is not counted", "const letterOverhead = 256", "const letterOverhead = 0"},
	{"dead letters: those of a deleted function are swept", "if len(q.items) == 0 && !registered(name) {", "if !registered(name) {"},

	// Sweeps and deletion.
	{"sweep: the clean-up of what ended earlier is late", "return finished + min(r.cleanup, r.ttl)", "return finished + r.ttl"},
	{"delete: told after the name is free", "c.leaving.add(fn)\n\tc.registry.remove(name)", "c.registry.remove(name)"},
	{"delete: running ones end", "fn.endUnstarted(d.next(fx), fn.queue.first())\n\t}", "fn.endUnstarted(d.next(fx), fn.queue.first())\n\t}\n\tfor _, item := range fn.deadlines.items {\n\t\tif item.ex.status == Running && !item.ex.sync && d.room() {\n\t\t\tfn.endUnstarted(d.next(fx), item.ex)\n\t\t\tbreak\n\t\t}\n\t}"},
	{"update: lower slots at once", "return fn.running.Load() < fn.slots.Load() }", "return fn.running.Load() <= fn.slots.Load()-1 || fn.running.Load() > fn.slots.Load()+1 }"},

	// Restarts.
	{"restart: rates begin anew", "g.fn.limiter.fill(now.Wall)", "_ = now"},
	{"restart: the limit of all begins anew", "if c.cfg.Limiter == nil && r.newest != 0 {", "if false {"},
	{"restart: an interrupted attempt is free", "fn.failed(fx, ex, errInterrupted)\n", "fn.failed(fx, ex, errInterrupted)\n\tex.attempt--\n"},
	{"restart: one retry more after an interruption", "fn.deleted || int(ex.attempt) > fn.spec.Load().MaxRetries {\n\t\tfn.releaseSlot", "fn.deleted || int(ex.attempt) > fn.spec.Load().MaxRetries+1 {\n\t\tfn.releaseSlot"},
	{"restart: a function's generation begins anew", "spec.Generation, spec.LSN = g.generation, g.setAt", "spec.Generation, spec.LSN = 1, g.setAt"},
	{"drain: memory's work is left", "if ex := c.store.get(f.ID); ex != nil && !ex.durable() {", "if ex := c.store.get(f.ID); ex != nil && ex.durable() {"},
	{"drain: a page's work is looked at over and over", "fn.open--\n}\n\n// recordSpec", "}\n\n// recordSpec"},
}
