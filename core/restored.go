package core

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Done puts what the facts come to in force at now: functions, executions with
// their remaining TTLs, queues in their order, pauses, keys, dead letters. died
// says of which functions the attempts ended with the process that had dispatched
// them: such an open attempt fails at once, with code INTERRUPTED. Others keep
// their slots until their time and Grace are over. nil = all have died. The clock must not
// read less than NewestWall. The journal takes facts from now on.
//
// The error says what cannot be restored; nothing may be asked of the Core then.
func (r *Restorer) Done(now Instant, died func(*Spec) bool) error {
	c := r.core
	if c.cfg.Journal == nil {
		return ErrNoJournal
	}
	if c.registry.count > 0 || c.store.used.count.Load() > 0 {
		return fmt.Errorf("core: restored after it was used: %d functions, %d executions", c.registry.count, c.store.used.count.Load())
	}
	if err := r.complete(); err != nil {
		return err
	}
	c.held.advance(c.cfg.Journal.Durable())
	for _, l := range r.reached {
		c.held.advance(l)
	}
	c.configAt = r.configAt
	// What earlier processes took of this second is not known. A journal without a fact
	// had none, and a shared limiter has a past of its own.
	if c.cfg.Limiter == nil && r.newest != 0 {
		c.limiter.fill(now.Wall)
	}
	for _, at := range r.released {
		c.cfg.Journal.Release(at.partition, at.at)
	}
	kept, gone := r.sort(now)
	functions, err := r.restoreFunctions(now)
	if err != nil {
		return err
	}
	c.store.expect(len(kept))
	for _, e := range kept {
		r.putBack(e, now)
	}
	r.restoreLetters(now)
	for _, e := range gone {
		e.ex.more.facts.drop(c.cfg.Journal)
	}
	if len(kept) > 0 {
		c.armSweep(now)
	}
	for _, g := range functions {
		r.resume(g, now, died)
	}
	c.serve()
	return nil
}

// sort has the executions that come back, in the order in which they were
// accepted, and those that are past their TTL.
func (r *Restorer) sort(now Instant) (kept, gone []*executionFacts) {
	byPlace(r.accepts, func(e *executionFacts) LSN { return e.ex.more.facts.accepted() })
	for _, e := range r.accepts {
		age := max(now.Wall-e.ex.created, 0)
		e.ex.createdMono, e.ex.queuedMono = now.Mono-age, now.Mono-age
		if e.ex.attempt > 1 {
			e.ex.queuedMono = now.Mono - max(now.Wall-e.ex.more.moved, 0)
		}
		if e.ex.started != 0 {
			e.ex.startedMono = max(now.Mono-max(now.Wall-e.ex.started, 0), 0)
			e.ex.queuedMono = min(e.ex.queuedMono, e.ex.startedMono)
		}
		if e.ex.pausing {
			e.ex.more.retryAt.Mono = max(now.Mono+e.ex.more.retryAt.Wall-now.Wall, 1)
		}
		if e.ex.status.Terminal() && r.core.store.ttl.evictable(e.ex.finished, now.Wall) {
			gone = append(gone, e)
		} else {
			kept = append(kept, e)
			e.of.list = append(e.of.list, e)
		}
	}
	return kept, gone
}

// byPlace sorts executions by the place of a fact of each. The places are looked
// up once: following them to each execution at every comparison would take most of
// a restart.
func byPlace(list []*executionFacts, place func(*executionFacts) LSN) {
	type placed struct {
		at LSN
		of *executionFacts
	}
	order := make([]placed, len(list))
	for i, e := range list {
		order[i] = placed{place(e), e}
	}
	slices.SortFunc(order, func(a, b placed) int { return cmp.Compare(a.at, b.at) })
	for i := range order {
		list[i] = order[i].of
	}
}

// restoreFunctions makes the functions that are registered, and the deleted ones
// of which executions are kept, in the order of their facts.
func (r *Restorer) restoreFunctions(now Instant) ([]*functionFacts, error) {
	all := slices.SortedFunc(maps.Values(r.functions), func(a, b *functionFacts) int {
		return cmp.Or(cmp.Compare(a.setAt, b.setAt), cmp.Compare(a.goneAt, b.goneAt))
	})
	var made []*functionFacts
	for _, g := range all {
		if g.number > r.core.registrations.Load() {
			r.core.registrations.Store(g.number)
		}
		p := PartitionOf(g.name)
		for _, at := range g.older {
			r.core.cfg.Journal.Release(p, at)
		}
		if g.goneAt != 0 && len(g.list) == 0 {
			if g.setAt != 0 {
				r.core.cfg.Journal.Release(p, g.setAt)
			}
			r.core.cfg.Journal.Release(p, g.goneAt)
			continue
		}
		if g.setAt == 0 && g.goneAt == 0 {
			if len(g.list) == 0 {
				continue // all that there was of it are facts past their time
			}
			return nil, fmt.Errorf("journal: execution %v is of function %q, registration %d, which is not there", g.list[0].ex.id, g.name, g.number)
		}
		if err := r.restoreFunction(g, now); err != nil {
			return nil, fmt.Errorf("journal: function %q, registration %d: %w", g.name, g.number, err)
		}
		made = append(made, g)
	}
	return made, nil
}

func (r *Restorer) restoreFunction(g *functionFacts, now Instant) error {
	if g.setAt == 0 {
		return fmt.Errorf("its spec is not there")
	}
	spec, err := r.core.cfg.Specs.DecodeSpec(g.data)
	switch {
	case err != nil:
		return fmt.Errorf("its spec: %w", err)
	case spec.Name != g.name:
		return fmt.Errorf("its spec is of %q", spec.Name)
	}
	spec.Generation, spec.LSN = g.generation, g.setAt
	g.fn = newFunction(r.core, spec)
	g.fn.registration, g.fn.setAt, g.fn.goneAt = g.number, g.setAt, g.goneAt
	g.fn.limiter.fill(now.Wall)
	g.fn.recordFirst(now)
	if g.goneAt != 0 {
		g.fn.deleted = true
		r.core.leaving.add(g.fn)
		return nil
	}
	if !r.core.registry.restore(g.fn) {
		return fmt.Errorf("another registration of the name is there, too")
	}
	r.core.observe(&Event{Kind: EventFunctionAdded, Function: g.fn, At: now})
	return nil
}

// putBack stores an execution, and its key if that is not past its TTL.
func (r *Restorer) putBack(e *executionFacts, now Instant) {
	c, ex := r.core, e.ex
	ex.fn = e.of.fn
	if ex.status.Terminal() {
		ex.lookAt = c.store.ttl.firstStep(ex.finished)
	} else {
		ex.lookAt = c.store.ttl.nextLook(ex.lastMoved(), now.Wall)
	}
	c.store.putBack(ex)
	if key := ex.more.idempotencyKey; key != "" && ex.created+c.keys.ttl >= now.Wall {
		c.keys.restore(ex.fn.name, key, e.print, ex.id, ex.created)
	}
}

// restoreLetters repeats what happened to the dead letters, in order.
func (r *Restorer) restoreLetters(now Instant) {
	d, j := r.core.dead, r.core.cfg.Journal
	slices.SortFunc(r.letters, func(a, b letterFact) int { return cmp.Compare(a.at, b.at) })
	for _, l := range r.letters {
		switch l.kind {
		case letterBuried:
			if now.Wall-l.of.ex.finished <= d.ttl {
				d.mu.Lock()
				d.bury(l.of.ex)
				d.mu.Unlock()
			}
		case letterTaken:
			facts, _ := d.take(l.name, l.id, now.Wall)
			facts.letterGone(l.of.ex.more.facts, j)
		case letterPurged:
			d.mu.Lock()
			q := d.byName[l.name]
			if q == nil {
				q = &deadQueue{}
			}
			d.purged(l.name, q, l.at)
			d.forget(q)
			d.mu.Unlock()
		}
	}
}

// resume gives a function its executions back and goes on with them.
func (r *Restorer) resume(g *functionFacts, now Instant, died func(*Spec) bool) {
	c, fn := r.core, g.fn
	byPlace(g.list, func(e *executionFacts) LSN { return e.queuedAt })
	list := make([]*execution, len(g.list))
	for i, e := range g.list {
		list[i] = e.ex
	}
	var fx effects
	fn.step(&input{kind: StepRestore, now: now, restored: list, grace: int64(r.Grace)}, &fx)
	c.carryOut(&fx)
	if fn.deleted {
		for d := (&Deletion{Function: fn}); d.Next(); {
		}
	}
	if died == nil || died(fn.Spec()) {
		for _, ex := range list {
			if ex.status == Running {
				c.take(fn, &input{kind: StepInterrupt, now: now, ex: ex})
			}
		}
	}
	if a := fn.auto.Load(); a != nil && !fn.deleted && (a.scaled.Load() && a.spec.MinReplicas > 0 || len(list) > 0) {
		c.take(fn, &input{kind: StepLook, now: now})
	}
}
