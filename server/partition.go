package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/core/cluster"
	"simplane/server/internal/api"
	"simplane/server/internal/dispatch"
	"simplane/server/internal/flight"
	"simplane/server/internal/journal"
	"simplane/server/internal/machine"
	"simplane/server/internal/peer"
	"simplane/server/internal/replica"
)

// partition is an instance that answers for one partition of a cluster, while this
// node owns it.
type partition struct {
	*instance
	in       *membership
	id       core.Partition
	log      *cluster.Log
	restorer *core.Restorer
	before   cluster.Ownership // the record of the last owner; zero without one

	state atomic.Uint32 // a peer.State
	lost  chan struct{} // closed when it is peer.Lost
	given chan struct{} // closed when the next owner may have it
	over  atomic.Bool   // nothing is left to do here
	done  atomic.Bool   // restored
	steps *flight.Part  // nil when nothing is recorded
	stop  context.CancelFunc

	completed func(core.Task, core.Outcome) // see Server.complete
	ends      sync.Once
	// inForce is the fact of the configuration that was put in force last, and announced.
	inForceMu sync.Mutex
	inForce   core.LSN
}

// openPartition implements replica.Options.Open.
func (c *membership) openPartition(facts *cluster.Log, before cluster.Ownership, stored func(core.LSN) error) (replica.Instance, error) {
	s := c.s
	p := &partition{in: c, id: facts.Partition(), log: facts, before: before, lost: make(chan struct{}), given: make(chan struct{})}
	cfg := s.cfg.Core
	cfg.Shards, cfg.Journal, cfg.Specs = 1, facts, storedSpecs{}
	cfg.Limiter, cfg.Budget = c.limiter, &c.budget
	if p.steps = s.flight.Part(); p.steps != nil {
		cfg.Recorder, cfg.Domains = p.steps, &c.domains
	}
	p.completed = s.complete()
	var err error
	p.instance, err = s.newInstance(instanceOptions{
		config: cfg, clock: partitionClock{s.clock, p}, ids: partitionIDs(p.id),
		dispatcher: s.dispatcher.With(uint64(facts.Fence()), p.complete), inert: p.inert, lost: p.lost, given: p.given,
		stored: func(at core.LSN) error {
			if err := stored(at); err != nil {
				return answerOf(err)
			}
			p.follow(facts.Durable())
			return nil
		}, lag: facts.Lag,
	})
	if err != nil {
		return nil, err
	}
	if c.replay.Load() == nil {
		full := p.core.Config()
		replay := full.ForReplay()
		c.replay.Store(&replay)
	}
	p.restorer = p.core.Restore()
	return p, nil
}

// answerOf is what a caller is told who waits for a fact.
func answerOf(err error) error {
	switch {
	case errors.Is(err, replica.ErrGiven):
		return &core.Rejection{Code: api.CodeNoOwner, Message: err.Error()}
	case err != nil:
		return journal.ErrUnavailable
	}
	return nil
}

// partitionIDs are ids that say in which partition their executions are.
type partitionIDs core.Partition

// NewID implements core.IDSource.
func (p partitionIDs) NewID() core.ID {
	id := machine.RandomIDs{}.NewID()
	id[15] = byte(p)
	return id
}

// partitionClock is the clock of a partition: its timers do nothing once that is
// lost or over.
type partitionClock struct {
	*machine.Clock
	p *partition
}

// AfterFunc implements core.Clock.
func (c partitionClock) AfterFunc(d time.Duration, f func()) core.Timer {
	return c.Clock.AfterFunc(d, c.p.in.s.guarded(func() {
		if !c.p.inert() {
			f()
		}
	}))
}

// inert says that nothing may be started any more.
func (p *partition) inert() bool { return p.over.Load() || p.State() == peer.Lost }

// State implements peer.Local.
func (p *partition) State() peer.State { return peer.State(p.state.Load()) }

// Answer implements peer.Local.
func (p *partition) Answer(route int, ctx *fasthttp.RequestCtx, arg string) {
	p.routes[route].Handle(ctx, arg)
}

// Apply implements replica.Instance.
func (p *partition) Apply(at core.LSN, f *core.Fact) error { return p.restorer.Apply(at, f) }

// Done implements replica.Instance.
func (p *partition) Done() error {
	s, r := p.in.s, p.restorer
	s.clock.NotBefore(r.NewestWall())
	died := p.registrar.Died
	if p.before.Free { // calls may still run there, and it tells of them
		died = func(*core.Spec) bool { return false }
		r.Grace = waitForTold
	}
	defer p.registrar.Hold()()
	p.in.add(p)
	if err := r.Done(s.clock.Now(), died); err != nil {
		p.in.remove(p)
		return fmt.Errorf("restore: %w", err)
	}
	if p.id == peer.ConfigPartition {
		raw := r.Config()
		if err := p.admin.RestoreRuntime(raw); err != nil {
			p.in.remove(p)
			return err
		}
		if len(raw) > 0 {
			p.in.announce(p.admin.Revision(), raw)
		}
		p.in.grant(p)
	}
	p.in.admin.FollowIn(p.core)
	if err := p.registrar.Restored(); err != nil {
		p.in.remove(p)
		return err
	}
	p.restorer = nil
	var running context.Context
	running, p.stop = context.WithCancel(context.Background())
	go p.in.s.guarded(func() { p.schedule(running) })()
	p.done.Store(true)
	return nil
}

// Advanced implements replica.Instance.
func (p *partition) Advanced(at core.LSN) {
	p.follow(at)
	p.core.JournalAdvanced(at)
}

// follow puts the configuration in force on this node, and has the others told, once its
// fact is durable: until then nobody can know whether it will ever be. It comes before the
// answer to who has made the change.
func (p *partition) follow(durable core.LSN) {
	if p.id != peer.ConfigPartition {
		return
	}
	p.inForceMu.Lock()
	defer p.inForceMu.Unlock()
	if at, revision, raw := p.admin.Saved(); at > p.inForce && at <= durable {
		p.inForce = at
		p.in.announce(revision, raw)
	}
}

// Hold implements replica.Instance.
func (p *partition) Hold() {
	p.state.CompareAndSwap(uint32(peer.Open), uint32(peer.Parted))
	if p.id == peer.ConfigPartition {
		p.in.endGrants(p)
	}
	p.core.Drain()
}

// leavePace is how often it is looked whether calls have ended.
const leavePace = 20 * time.Millisecond

// Given implements replica.Instance: sync calls end here, and so do attempts, whose
// outcomes go to the next owner. They have their time, but for those that a node
// which ends cannot wait for.
func (p *partition) Given() {
	p.in.parting.Go(func() {
		p.Advanced(p.log.Durable()) // nothing else tells of this any more
		close(p.given)
		until := time.Now().Add(p.in.s.cfg.ShutdownGrace)
		for waiting := true; !p.inert(); time.Sleep(leavePace) {
			queued, inFlight := p.core.Unfinished()
			if inFlight == 0 && queued <= p.core.UnfinishedDurable() {
				break
			}
			if waiting && time.Now().After(until) {
				waiting = false
				p.core.CancelMemory()
			}
			if !waiting && p.in.s.draining.Load() {
				break
			}
		}
		p.end()
	})
}

// Shut implements replica.Instance.
func (p *partition) Shut(error) {
	if peer.State(p.state.Swap(uint32(peer.Lost))) == peer.Lost {
		return
	}
	close(p.lost)
	if p.id == peer.ConfigPartition {
		p.in.endGrants(p)
	}
	p.in.parting.Go(func() {
		p.core.Drain()
		p.core.CancelMemory()
		p.end()
	})
}

// end gives back what the partition has outside its core.
func (p *partition) end() {
	p.ends.Do(func() {
		p.over.Store(true)
		p.in.remove(p)
		if p.stop != nil {
			p.stop()
		}
		p.registrar.Leave()
		p.core.LeaveBudget()
		p.steps.Gone()
	})
}

// complete is how the answer to a call comes to the partition's core, and to the
// owner's where that is another one.
func (p *partition) complete(t core.Task, o core.Outcome) {
	elsewhere := t.Durable && p.log.Gone()
	if elsewhere {
		p.in.parting.Go(func() { p.in.tell(t, o) })
	}
	p.completed(t, o)
	if t.Durable && !elsewhere && p.log.Gone() { // perhaps before this was known to it
		p.in.parting.Go(func() { p.in.tell(t, o) })
	}
}

// partitionDispatcher starts nothing once its partition is lost.
type partitionDispatcher struct {
	*dispatch.Dispatcher
	inert func() bool
}

// Dispatch implements core.Dispatcher.
func (d partitionDispatcher) Dispatch(t core.Task) {
	if !d.inert() {
		d.Dispatcher.Dispatch(t)
	}
}
