package core

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// begin takes over a function's state from a whole Base.
func (r *Replay) begin(b *Base) error {
	fn := newFunction(r.core, b.spec())
	fn.domain, fn.recorded, fn.check = b.Domain, b.Seq, b.Check
	fn.deleted, fn.ready = b.Deleted, b.Ready
	fn.replicasWanted.Store(int32(b.ReplicasWanted))
	fn.replicasReady.Store(int32(b.ReplicasReady))
	fn.service = serviceTime{b.Service[0], b.Service[1], b.Service[2]}
	fn.auto.Store(b.Autoscale.autoscale(noTimer{}))
	fn.slots.Store(fn.slotsNow())
	r.fn, r.known, r.gaps, r.deletion = fn, knownTable{}, b.Seq > 0, nil
	for i := range b.Live {
		ex, err := r.execution(&b.Live[i])
		if err != nil {
			return err
		}
		if r.known.find(ex.id) != nil {
			return fmt.Errorf("execution %v is there twice", ex.id)
		}
		ex.fn = fn
		r.known.add(ex)
		if at := b.Live[i].Deadline; at != 0 {
			fn.deadlines.set(ex, at)
		}
		if ex.holdsSlot {
			fn.takeSlot(ex)
		}
		if ex.pausing {
			fn.pauses.Store(fn.pauses.Load() + 1)
		}
	}
	if b.hasPlaces() && !fn.deadlines.arrange(b.places()) {
		return errBaseHeap
	}
	return r.enqueue(b)
}

var errBaseHeap = errors.New("the deadlines of the executions are no heap")

// hasPlaces says that b has the places of its deadlines, which bases of earlier versions have
// not.
func (b *Base) hasPlaces() bool {
	return slices.ContainsFunc(b.Live, func(e BaseExecution) bool { return e.Heap != 0 })
}

// places are those of the deadlines, in order of time.
func (b *Base) places() (all []int) {
	for i := range b.Live {
		if b.Live[i].Deadline != 0 {
			all = append(all, b.Live[i].Heap)
		}
	}
	return all
}

// enqueue puts the queued executions of b into the queue, in their order.
func (r *Replay) enqueue(b *Base) error {
	q, seen := &r.fn.queue, make(map[ID]bool)
	for late, ids := range [][]ID{b.Queue, b.Late} {
		for _, id := range ids {
			ex := r.known.find(id)
			switch {
			case ex == nil:
				return fmt.Errorf("execution %v is queued and not among the live", id)
			case !ex.inQueue() || seen[id]:
				return fmt.Errorf("execution %v is queued and %v, or queued twice", id, ex.status)
			}
			seen[id] = true
			if late == 0 {
				q.push(ex)
			} else {
				ex.passed = true
				q.late.push(ex)
				q.live++
			}
			r.fn.countQueued(ex, 1)
		}
	}
	return nil
}

var errBaseTimes = errors.New("an execution has times or sizes out of range")

// execution is the one that b is of.
func (r *Replay) execution(b *BaseExecution) (*execution, error) {
	if b.Status > Timeout || b.Input < 0 || b.Metadata < 0 || b.Other < 0 || b.Failed < 0 || b.Failed > attemptsKept || len(b.Waiters) == 0 {
		return nil, errBaseTimes
	}
	ex := &execution{}
	*ex = newRecord(b.ID, nil, b.Created, b.Sync)
	ex.status, ex.attempt, ex.queuedMono = b.Status, b.Attempt, b.Queued
	ex.started, ex.startedMono, ex.finished = b.Started.Wall, b.Started.Mono, b.Finished
	ex.queueDeadline, ex.lookAt, ex.timeout, ex.initMs = b.QueueEnd, b.LookAt, b.Timeout, b.Init
	ex.holdsSlot, ex.answered, ex.pausing, ex.coldStart, ex.cleaned = b.Slot, b.Answered, b.Pausing, b.Cold, b.Cleaned
	ex.waiter = waiterOfLetter(b.Waiters[0])
	var err error
	if ex.input, err = r.inputs.bytes(uint32(b.Input)); err != nil {
		return nil, err
	}
	if !b.More {
		return ex, nil
	}
	if ex.more, err = r.extras(uint32(b.Metadata), uint32(b.Other), b.Key); err != nil {
		return nil, err
	}
	x := ex.more
	for _, letter := range []byte(b.Waiters[1:]) {
		x.waiters = append(x.waiters, waiterOfLetter(letter))
	}
	x.joins, x.retryAt, x.moved = b.Joins, b.RetryAt, b.Moved
	if b.Awaited {
		x.attemptEnded = func() {}
	}
	x.attempts = make([]Attempt, b.Failed)
	if len(b.LSNs) > 0 {
		x.facts = newFactLog(0)
		x.facts.lsns = append(x.facts.lsns, b.LSNs...)
		x.facts.held, x.facts.until = b.Held, b.Until
	}
	return ex, nil
}

// aWaiter is a waiter of a Replay, aLeaver one that may leave. Nobody wakes or
// asks them.
type aWaiter struct{ _ byte }

func (*aWaiter) Wake(Snapshot) {}

type aLeaver struct{ aWaiter }

func (*aLeaver) Gone() bool { return false }

func waiterOf(f StepFlags) Waiter {
	switch {
	case f&FlagWaiter == 0:
		return nil
	case f&FlagLeaver != 0:
		return &aLeaver{}
	}
	return &aWaiter{}
}

func waiterOfLetter(letter byte) Waiter {
	switch letter {
	case 'l':
		return waiterOf(FlagWaiter | FlagLeaver)
	case 'w':
		return waiterOf(FlagWaiter)
	}
	return nil
}

// maxReplayPayload bounds a length in a recording, in bytes: far above what the
// server takes.
const maxReplayPayload = 256 << 20

// zeros stands for payloads of which only the length is known.
type zeros struct{ all []byte }

func (z *zeros) bytes(n uint32) ([]byte, error) {
	if n > maxReplayPayload {
		return nil, fmt.Errorf("a payload of %d bytes; at most %d can be", n, maxReplayPayload)
	}
	if int(n) > len(z.all) {
		z.all = make([]byte, max(int(n), 2*len(z.all), 256))
	}
	return z.all[:n:n], nil
}

// records is a Recorder that keeps what a step taken again records.
type records []Step

func (r *records) Step(s Step) { *r = append(*r, s) }
func (r *records) Base(*Base)  {}

// replayJournal gives facts the places that they had.
type replayJournal struct {
	next []LSN
	gone bool // at the step to be taken again
}

func (j *replayJournal) Append(Partition, *Fact) (at LSN) {
	if len(j.next) == 0 {
		return 1
	}
	if at = j.next[0]; len(j.next) > 1 {
		j.next = j.next[1:]
	}
	return at
}

func (j *replayJournal) Durable() LSN           { return 0 }
func (j *replayJournal) Release(Partition, LSN) {}
func (j *replayJournal) Room() bool             { return true }
func (j *replayJournal) Gone() bool             { return j.gone }

// replayCodec fails where the recorded one has failed.
type replayCodec Replay

func (r *replayCodec) EncodeSpec(*Spec) ([]byte, error) {
	if r.specFail {
		return nil, errors.New("it could not be stored")
	}
	return nil, nil
}

func (r *replayCodec) DecodeSpec([]byte) (*Spec, error) {
	return nil, errors.New("a replay restores nothing")
}

// noScaler has nothing to scale.
type noScaler struct{}

func (noScaler) SetReplicas(*Function, int) {}

// noClock has no time of its own: each step brings its instant.
type noClock struct{}

func (noClock) Now() Instant                          { return Instant{} }
func (noClock) AfterFunc(time.Duration, func()) Timer { return noTimer{} }
