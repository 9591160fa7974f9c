package server

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/core/cluster"
	"simplane/server/internal/api"
	"simplane/server/internal/dispatch"
	"simplane/server/internal/journal"
	"simplane/server/internal/machine"
	"simplane/server/internal/peer"
	"simplane/server/internal/replica"
	"simplane/server/internal/telemetry"
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
	done  atomic.Bool   // restored
	stop  context.CancelFunc
	ends  sync.Once
	// announced is the fact of the configuration that all were told of.
	announced core.LSN
}

// openPartition implements replica.Options.Open.
func (c *membership) openPartition(facts *cluster.Log, before cluster.Ownership, stored func(core.LSN) error) (replica.Instance, error) {
	s := c.s
	p := &partition{in: c, id: facts.Partition(), log: facts, before: before, lost: make(chan struct{})}
	cfg := s.cfg.Core
	cfg.Shards, cfg.Journal, cfg.Specs = 1, facts, storedSpecs{}
	cfg.Limiter, cfg.Budget = c.limiter, &c.budget
	var err error
	p.instance, err = s.newInstance(instanceOptions{
		config: cfg, clock: partitionClock{s.clock, p}, ids: partitionIDs(p.id),
		dispatcher: s.dispatcher.With(uint64(facts.Fence()), p.complete), inert: p.inert, lost: p.lost,
		stored: func(at core.LSN) error { return answerOf(stored(at)) }, lag: facts.Lag,
	})
	if err != nil {
		return nil, err
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
// lost.
type partitionClock struct {
	*machine.Clock
	p *partition
}

// AfterFunc implements core.Clock.
func (c partitionClock) AfterFunc(d time.Duration, f func()) core.Timer {
	return c.Clock.AfterFunc(d, func() {
		if !c.p.inert() {
			f()
		}
	})
}

// inert says that nothing may be started any more.
func (p *partition) inert() bool { return p.State() == peer.Lost }

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
	}
	p.registrar.Hold()
	p.in.add(p)
	if err := r.Done(s.clock.Now(), died); err != nil {
		p.in.remove(p)
		return fmt.Errorf("restore: %w", err)
	}
	if p.id == peer.ConfigPartition {
		if err := p.admin.RestoreRuntime(r.Config()); err != nil {
			p.in.remove(p)
			return err
		}
		if raw := r.Config(); len(raw) > 0 {
			p.in.node.Load().Announce(configKey, raw)
		}
		p.in.grant(&p.before)
	} else {
		p.in.admin.FollowIn(p.core)
	}
	if err := p.registrar.Restored(); err != nil {
		p.in.remove(p)
		return err
	}
	p.restorer = nil
	var running context.Context
	running, p.stop = context.WithCancel(context.Background())
	go p.schedule(running)
	p.done.Store(true)
	return nil
}

// Advanced implements replica.Instance.
func (p *partition) Advanced(at core.LSN) {
	if p.id == peer.ConfigPartition {
		if saved, raw := p.admin.Saved(); saved > p.announced && saved <= at {
			p.announced = saved
			p.in.node.Load().Announce(configKey, raw)
		}
	}
	p.core.JournalAdvanced(at)
}

// Hold implements replica.Instance.
func (p *partition) Hold() {
	p.state.CompareAndSwap(uint32(peer.Open), uint32(peer.Parted))
	if p.id == peer.ConfigPartition {
		p.in.endGrants()
	}
	p.core.Drain()
}

// leavePace is how often it is looked whether calls have ended.
const leavePace = 20 * time.Millisecond

// Given implements replica.Instance: sync calls end here, and so do attempts, whose
// outcomes go to the next owner.
func (p *partition) Given() {
	p.in.parting.Go(func() {
		until := time.Now().Add(p.in.s.cfg.ShutdownGrace)
		for !p.inert() && time.Now().Before(until) {
			queued, inFlight := p.core.Unfinished()
			if inFlight == 0 && queued <= p.core.UnfinishedDurable() {
				break
			}
			time.Sleep(leavePace)
		}
		p.core.CancelMemory() // what is left has had its time
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
		p.in.endGrants()
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
		p.in.remove(p)
		if p.stop != nil {
			p.stop()
		}
		p.registrar.Leave()
		p.core.JournalAdvanced(math.MaxUint64) // who waits is told that it is lost
		p.core.LeaveBudget()
	})
}

// complete is how the answer to a call comes to the partition's core; if that is not
// the owner's any more, to the owner as well.
func (p *partition) complete(t core.Task, o core.Outcome) {
	telemetry.Complete(t, o)
	if t.Durable && p.log.Gone() {
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
