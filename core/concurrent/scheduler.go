//go:build interleave

package concurrent

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
)

// Scheduler runs tasks, one at a time. At each point, an operation on a type of this
// package or a call of Point, it may let another task go on. Which one is drawn from
// a seed, or follows a list of switches. All that is not told it, plain memory
// and channels, belongs to the task that runs: between two points nothing else does.
//
// Its methods are for the tasks that it runs, and before Run for whoever made it.
type Scheduler struct {
	opts Options
	draw *rand.Rand

	tasks    []*task
	running  *task
	next     *task // that Run resumes
	points   int   // passed so far
	changes  []int // PCT: points at which whoever runs falls behind all others
	behind   int64 // PCT: the lowest priority given; they go down
	made     []Switch
	follows  map[place]int
	history  uint64
	failure  error
	stopping bool
}

// Options say how a Scheduler chooses.
type Options struct {
	Seed uint64
	// Depth is that of PCT (probabilistic concurrency testing): tasks have random
	// priorities, the highest that can run does, and at Depth-1 random points whoever
	// runs falls behind all others. A bug that needs d orderings is found with
	// a probability that depends on d, however many points there are. 0 = a random
	// walk: at one point in 8, any task goes on.
	Depth int
	// Points is about how many points there will be. PCT draws from them. 0 = 1000.
	Points int
	// Limit is how many points there may be; more is a failure. 0 = 1,000,000.
	Limit int
	// Follow, not nil, has the tasks go on as it says, and where it says nothing the
	// task that runs; Seed and Depth decide nothing then.
	Follow []Switch
}

// Switch says that at a task's n-th point another task goes on. The end of a task is
// its last point, and the one at which a run begins is point 0 of task -1.
type Switch struct{ Task, Point, To int }

// place is a task's n-th point.
type place struct{ task, point int }

// task is one goroutine.
type task struct {
	name     string
	number   int
	resume   func() (struct{}, bool)
	stop     func()
	yield    func(struct{}) bool
	priority int64
	points   int
	waits    func() bool // until it is true; nil = the task can run
	what     string      // it waits for
	over     bool
}

// active is the Scheduler that runs. There is one at a time in a process: whoever
// calls core finds it here. turn is held while there is one.
var (
	active *Scheduler
	turn   sync.Mutex
)

// NewScheduler is a Scheduler without tasks.
func NewScheduler(opts Options) *Scheduler {
	if opts.Points <= 0 {
		opts.Points = 1000
	}
	if opts.Limit <= 0 {
		opts.Limit = 1_000_000
	}
	s := &Scheduler{opts: opts, draw: rand.New(rand.NewPCG(opts.Seed, 0x696e7465726c6561)), history: 14695981039346656037}
	for range opts.Depth - 1 {
		s.changes = append(s.changes, 1+s.draw.IntN(opts.Points))
	}
	if opts.Follow != nil {
		s.follows = map[place]int{}
		for _, w := range opts.Follow {
			s.follows[place{w.Task, w.Point}] = w.To
		}
	}
	return s
}

// abandoned unwinds a task that is not to go on.
type abandoned struct{}

// Go adds a task, which begins when it is chosen. A task may add others.
func (s *Scheduler) Go(name string, do func()) {
	t := &task{name: name, number: len(s.tasks), priority: 1 + s.draw.Int64N(1<<40)}
	t.resume, t.stop = iter.Pull(func(yield func(struct{}) bool) {
		defer func() {
			if r := recover(); r != nil && r != any(abandoned{}) {
				s.Fail(fmt.Errorf("task %d (%s) panics: %v\n%s", t.number, t.name, r, debug.Stack()))
			}
		}()
		t.yield = yield
		do()
	})
	s.tasks = append(s.tasks, t)
}

// Run runs the tasks until all are over. The error says what a task has failed with,
// that all wait for each other, or that there is no end.
func (s *Scheduler) Run() error {
	turn.Lock()
	active = s
	defer func() {
		active = nil
		turn.Unlock()
	}()
	s.goOn(&task{number: -1})
	for s.failure == nil && s.next != nil {
		t := s.next
		s.running, s.next = t, nil
		if _, alive := t.resume(); !alive {
			t.over = true
			t.points++
			s.points++
			s.goOn(t)
		}
	}
	if s.failure == nil {
		s.failure = s.stuck()
	}
	s.stopping = true
	for _, t := range s.tasks {
		t.stop()
	}
	return s.failure
}

// goOn has another task go on, because from cannot.
func (s *Scheduler) goOn(from *task) {
	if s.next = s.choose(from); s.next != nil {
		s.made = append(s.made, Switch{from.number, from.points, s.next.number})
	}
}

// stuck is the error when nobody can run and not all are over.
func (s *Scheduler) stuck() error {
	var waiting []string
	for _, t := range s.tasks {
		if !t.over {
			waiting = append(waiting, fmt.Sprintf("task %d (%s) waits for %s", t.number, t.name, t.what))
		}
	}
	if waiting == nil {
		return nil
	}
	return errors.New("nobody can go on: " + strings.Join(waiting, ", "))
}

// Fail ends the run. The first error counts.
func (s *Scheduler) Fail(err error) {
	if s.failure == nil {
		s.failure = err
	}
}

// Failed says that the run is to end.
func (s *Scheduler) Failed() bool { return s.failure != nil }

// Running is the number of the task that runs, in the order of Go, from 0.
func (s *Scheduler) Running() int { return s.running.number }

// Point is a point of its own: a callback has one.
func (s *Scheduler) Point() { s.point() }

// Until waits for something that other tasks bring about. done must have no points
// and change nothing.
func (s *Scheduler) Until(what string, done func() bool) {
	s.point()
	s.until(what, done)
}

// Made are the switches that were made, for Options.Follow.
func (s *Scheduler) Made() []Switch { return slices.Clone(s.made) }

// Points is how many points have been passed.
func (s *Scheduler) Points() int { return s.points }

// History is a hash of which task passed each point.
func (s *Scheduler) History() uint64 { return s.history }

// point lets another task go on, maybe.
func (s *Scheduler) point() {
	t := s.running
	if s.stopping || t == nil {
		return
	}
	if s.failure != nil {
		s.leave(t)
	}
	t.points++
	s.points++
	s.history = (s.history ^ uint64(t.number)) * 1099511628211
	if s.points > s.opts.Limit {
		s.Fail(fmt.Errorf("no end after %d points, in task %d (%s)", s.points, t.number, t.name))
		s.leave(t)
	}
	if to := s.decide(t); to != t {
		s.made = append(s.made, Switch{t.number, t.points, to.number})
		s.next = to
		s.leave(t)
	}
}

// until waits.
func (s *Scheduler) until(what string, done func() bool) {
	t := s.running
	for !done() {
		if s.stopping {
			panic(abandoned{})
		}
		t.waits, t.what = done, what
		t.points++
		s.points++
		s.goOn(t)
		s.leave(t)
		t.waits = nil
	}
}

// leave gives the turn back to Run, until it resumes t.
func (s *Scheduler) leave(t *task) {
	if !t.yield(struct{}{}) {
		panic(abandoned{})
	}
}

func (t *task) canRun() bool { return !t.over && (t.waits == nil || t.waits()) }

// decide is who goes on at a point of t, which can go on itself.
func (s *Scheduler) decide(t *task) *task {
	switch {
	case s.follows != nil:
		if n, ok := s.follows[place{t.number, t.points}]; ok && n < len(s.tasks) && s.tasks[n].canRun() {
			return s.tasks[n]
		}
		return t
	case s.opts.Depth > 0:
		if slices.Contains(s.changes, s.points) {
			s.behind--
			t.priority = s.behind
		}
		return s.highest()
	case s.draw.IntN(8) == 0:
		return s.any()
	}
	return t
}

// choose is who goes on when from cannot; nil = nobody can.
func (s *Scheduler) choose(from *task) *task {
	switch {
	case s.follows != nil:
		if n, ok := s.follows[place{from.number, from.points}]; ok && n < len(s.tasks) && s.tasks[n].canRun() {
			return s.tasks[n]
		}
		for _, t := range s.tasks {
			if t.canRun() {
				return t
			}
		}
		return nil
	case s.opts.Depth > 0:
		return s.highest()
	}
	return s.any()
}

// highest is the task of the highest priority that can run.
func (s *Scheduler) highest() (best *task) {
	for _, t := range s.tasks {
		if (best == nil || t.priority > best.priority) && t.canRun() {
			best = t
		}
	}
	return best
}

// any is one of those that can run.
func (s *Scheduler) any() (chosen *task) {
	n := 0
	for _, t := range s.tasks {
		if t.canRun() {
			if n++; s.draw.IntN(n) == 0 {
				chosen = t
			}
		}
	}
	return chosen
}
