package world

import (
	"errors"
	"math"
	"slices"
	"time"

	"simplane/core"
	"simplane/sim/scenario"
)

// With several control planes no call goes to a core at once: it is carried to one
// of them, by way of others, and its answer comes back later or never.

// Remote carries calls.
type Remote interface {
	// Ask has a call carried out by whoever owns the partition, and tells Done once
	// what came of it.
	Ask(*Ask)
	// LookUp asks for an execution; done is told what is found, nil for nothing, if
	// anybody answers.
	LookUp(id core.ID, done func(*core.Snapshot))
	// Closed says that nobody will answer for the partition any more.
	Closed(p core.Partition) bool
	// Configure has an operator change the rate limit of all control planes, at any of them.
	Configure(rate int64)
	// Fault begins or ends a fault of the control planes.
	Fault(f *scenario.Fault, ends bool)
}

// Ask is a call.
type Ask struct {
	Partition core.Partition
	// Run carries it out. It returns the fact that the answer waits for, a refusal,
	// too; waits says that it comes when wake has been called.
	Run func(c *core.Core, wake func(core.Snapshot)) (rests core.LSN, waits bool, err error)
	// Done is told what the caller is told. woken is the end that it waited for.
	Done func(err error, woken *core.Snapshot)
}

// What callers are told that no owner has answered.
var (
	ErrNoOwner     = errors.New("NO_OWNER: it was not carried out")
	ErrOwnerLost   = errors.New("OWNER_LOST: it may have been carried out")
	ErrUnavailable = errors.New("JOURNAL_UNAVAILABLE: it may have been carried out")
)

// Dispatched is told the answer of an attempt, whatever has become of the control
// plane that dispatched it.
type Dispatched interface {
	Answer(t core.Task, o core.Outcome)
}

// Connect has all calls go to several control planes.
func (w *World) Connect(r Remote) { w.remote = r }

// DispatchFor is Dispatch for one of several control planes.
func (w *World) DispatchFor(t core.Task, of Dispatched) {
	w.witness.Dispatching(t)
	w.dispatch(t, of)
}

// submitThere has a request carried to the owner of its function.
func (w *World) submitThere(tag Tag, r core.Request) {
	l := &w.loads[tag.Load()]
	var res core.Result
	w.remote.Ask(&Ask{
		Partition: core.PartitionOf(r.Function),
		Run: func(c *core.Core, wake func(core.Snapshot)) (core.LSN, bool, error) {
			if l.sync {
				r.Waiter = waker(wake)
			}
			var err error
			res, err = c.Submit(&r)
			if err == nil && l.sync && res.Existing && !res.Waiting {
				wake(res.Snapshot) // it had ended
			}
			return res.LSN, err == nil && l.sync, err
		},
		Done: func(err error, woken *core.Snapshot) {
			w.witness.Offered(tag, nil, &res, err)
			if err == nil && !l.sync {
				w.witness.Rests(tag, res.ID, res.LSN)
				w.lookAgain(res.ID)
			}
			if woken != nil {
				w.witness.Woken(nil, *woken)
			}
		},
	})
}

type waker func(core.Snapshot)

// Wake implements core.Waiter.
func (f waker) Wake(s core.Snapshot) { f(s) }

// operatorPause is the time after which an operator tries again.
const operatorPause = 300 * time.Millisecond

// operate has an operator's call carried out, again and again until its outcome is
// known; done is told that. Those at one function come one after the other.
func (w *World) operate(name string, run func(*core.Core) (core.LSN, error), done func(err error, sure bool)) {
	w.asking++
	if w.operating == nil {
		w.operating = map[string][]func(){}
	}
	begin := func() {
		w.carry(name, run, func(err error, sure bool) {
			w.asking--
			done(err, sure)
			q := w.operating[name][1:]
			if w.operating[name] = q; len(q) > 0 {
				q[0]()
			}
		})
	}
	if w.operating[name] = append(w.operating[name], begin); len(w.operating[name]) == 1 {
		begin()
	}
}

func (w *World) carry(name string, run func(*core.Core) (core.LSN, error), done func(err error, sure bool)) {
	sure := true // no earlier try may have been carried out
	var try func()
	try = func() {
		w.remote.Ask(&Ask{
			Partition: core.PartitionOf(name),
			Run: func(c *core.Core, _ func(core.Snapshot)) (core.LSN, bool, error) {
				l, err := run(c)
				return l, false, err
			},
			Done: func(err error, _ *core.Snapshot) {
				switch err {
				case ErrOwnerLost, ErrUnavailable, ErrDown:
					sure = false
					fallthrough
				case ErrNoOwner:
					if w.remote.Closed(core.PartitionOf(name)) {
						break
					}
					w.loop.AfterFunc(operatorPause, try)
					return
				}
				done(err, sure)
			},
		})
	}
	try()
}

// registerThere registers a function.
func (w *World) registerThere(b *backend) {
	b.registered, b.inForce = true, *b.decl
	w.operate(b.name, func(c *core.Core) (core.LSN, error) {
		_, err := c.Register(b.spec)
		return c.SettingsAt(), err
	}, func(err error, sure bool) {
		if errors.Is(err, core.ErrExists) && !sure {
			err = nil // an earlier try did it
		}
		w.witness.Created(b.number, err)
	})
}

// stepThere carries out a fault that is a call; false when it is none.
func (w *World) stepThere(b *backend, s *faultStep) bool {
	f := s.fault
	switch f.Kind {
	case "delete-function":
		w.operate(b.name, func(c *core.Core) (core.LSN, error) {
			d, err := c.Retire(b.name)
			if err != nil {
				return c.SettingsAt(), err
			}
			for d.Next() {
			}
			return d.LSN, nil
		}, func(err error, sure bool) {
			if errors.Is(err, core.ErrNotFound) && !sure {
				err = nil
			}
			b.registered = false
			w.witness.Deleted(b.number, err)
		})
	case "create-function":
		w.registerThere(b)
	case "update", "reconfigure":
		w.updateThere(b, f)
	case "cancel":
		for _, id := range w.witness.Unended(b.number) {
			if b.service.Hit(f.Share) {
				w.cancelThere(b, id)
			}
		}
	case "purge":
		w.purgeThere(b)
	case "redrive":
		w.redriveThere(b, math.MaxInt, w.operate)
	default:
		return false
	}
	return true
}

func (w *World) updateThere(b *backend, f *scenario.Fault) {
	changed := f.Change.Of(b.inForce)
	next, err := w.spec(b.name, &changed)
	if err != nil {
		panic(err) // New has tried each change
	}
	b.inForce = changed
	var now *core.Spec
	w.operate(b.name, func(c *core.Core) (core.LSN, error) {
		taken, err := c.Update(next, f.IfGeneration)
		if err != nil {
			return 0, err // of one that is tried again: an earlier one may have been taken
		}
		now = taken
		return now.LSN, nil
	}, func(err error, _ bool) { w.witness.Updated(b.number, now, err) })
}

func (w *World) cancelThere(b *backend, id core.ID) {
	w.operate(b.name, cancelling(id), func(err error, _ bool) { w.settled(id, 0, nil, err) })
}

// redriveThere redrives the oldest dead letters of a function, at most so many. by carries the
// calls: one after the other, or each by somebody else.
func (w *World) redriveThere(b *backend, most int, by carrier) {
	tag := newTag(b.redrives, -1, 0)
	var letters []core.ID
	by(b.name, func(c *core.Core) (core.LSN, error) {
		ids, err := c.DeadLetterIDs(b.name)
		letters = slices.Clone(ids[:min(most, len(ids))])
		return 0, err
	}, func(error, bool) {
		for _, id := range letters {
			w.witness.Offering(tag, nil, nil, id)
			var res core.Result
			by(b.name, func(c *core.Core) (core.LSN, error) {
				var err error
				res, err = c.Redrive(b.name, id, uint64(tag))
				return res.LSN, err
			}, func(err error, _ bool) {
				w.witness.Offered(tag, nil, &res, err)
				if err == nil {
					w.witness.Rests(tag, res.ID, res.LSN)
				}
				w.witness.Redriven(tag, id, res.ID, err)
			})
		}
	})
}

// carrier has a call carried out until its outcome is known.
type carrier func(name string, run func(*core.Core) (core.LSN, error), done func(err error, sure bool))

// beside is a carrier of calls of several people at the same time.
func (w *World) beside(name string, run func(*core.Core) (core.LSN, error), done func(err error, sure bool)) {
	w.asking++
	w.carry(name, run, func(err error, sure bool) {
		w.asking--
		done(err, sure)
	})
}

// lookAgain has somebody ask for an execution that was acknowledged, soon or later.
func (w *World) lookAgain(id core.ID) {
	if w.looks.Unit() < 0.5 {
		return
	}
	w.loop.AfterFunc(time.Duration(float64(w.looks.Exponential()*float64(2*time.Second))), func() {
		asked := w.loop.Now()
		w.remote.LookUp(id, func(s *core.Snapshot) { w.witness.Seen(id, asked, s) })
	})
}
