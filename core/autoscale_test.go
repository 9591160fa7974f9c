package core

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// fleet is a Scaler whose instances take a while to start, and that may be
// told to do nothing. It is stepped, not timed.
type fleet struct {
	b       *bed
	startup int  // steps
	down    bool // calls are lost and instances gone

	asked   []int
	wanted  int
	ready   int
	readyAt int // step at which the wanted ones are ready
	step    int
}

func (f *fleet) SetReplicas(_ *Function, n int) {
	f.asked = append(f.asked, n)
	if f.down {
		return
	}
	if n > f.wanted {
		f.readyAt = f.step + f.startup
	}
	f.wanted = n
}

func (f *fleet) tick(name string) {
	f.step++
	ready := f.ready
	switch {
	case f.down:
		ready, f.wanted = 0, 0
	case f.wanted <= ready:
		ready = f.wanted
	case f.step >= f.readyAt:
		ready = f.wanted
	}
	if ready != f.ready {
		f.ready = ready
		f.b.ReplicasReady(name, ready)
	}
}

const plantStep = 100 * time.Millisecond

// plant is a function under load: work arrives, instances take service steps
// for each execution, and the fleet follows the autoscaler.
type plant struct {
	*bed
	fleet   *fleet
	fn      *Function
	service int
	owed    float64 // arrivals not yet due
	step    int
	running []plantRun
	desired []int // at the end of each step
	sent    int   // submitted
}

type plantRun struct {
	task  Task
	until int // step; -1 = waits for an instance
}

func newPlant(t *testing.T, startup, service int, change ...func(*SpecInput)) *plant {
	p := &plant{fleet: &fleet{startup: startup}, service: service}
	p.bed = newBed(t, func(cfg *Config) { cfg.Scaler = p.fleet })
	p.fleet.b = p.bed
	p.work.run = func(t Task) bool {
		p.running = append(p.running, plantRun{task: t, until: -1})
		return true
	}
	p.fn = p.register("f", append([]func(*SpecInput){queueSize(100_000), timeout(time.Hour)}, change...)...)
	return p
}

// run lets steps pass with so many arrivals a second.
func (p *plant) run(steps int, perSecond float64) {
	p.t.Helper()
	for range steps {
		p.step++
		for p.owed += perSecond * plantStep.Seconds(); p.owed >= 1; p.owed-- {
			p.enqueue("f")
			p.sent++
		}
		p.clock.advance(plantStep)
		p.fleet.tick("f")
		p.serve()
		p.desired = append(p.desired, p.fn.DesiredReplicas())
	}
}

func (p *plant) serve() {
	taken := p.running
	p.running = nil
	var done []Task
	for _, r := range taken {
		if r.until < 0 && p.fleet.ready > 0 {
			r.until = p.step + p.service
		}
		if r.until >= 0 && r.until <= p.step {
			done = append(done, r.task)
		} else {
			p.running = append(p.running, r)
		}
	}
	for _, t := range done {
		t.Complete(success(`1`)) // may start more
	}
}

// steps are the numbers of replicas that were wanted one after the other.
func (p *plant) steps() (counts []int) {
	for _, e := range p.seen.of(EventScaled) {
		counts = append(counts, e.Count)
	}
	return counts
}

// settle runs without load until all work has ended.
func (p *plant) settle() {
	p.t.Helper()
	for range 100_000 {
		if p.fn.QueueDepth()+p.fn.InFlight() == 0 {
			wantEqual(p.t, "executions that ended in success", len(p.seen.of(EventEnded)), p.sent)
			return
		}
		p.run(1, 0)
	}
	p.t.Fatalf("%d queued and %d in flight are never served", p.fn.QueueDepth(), p.fn.InFlight())
}

// turns counts how often the wanted number changed its direction.
func turns(desired []int) (n int) {
	direction := 0
	for i := 1; i < len(desired); i++ {
		d := desired[i] - desired[i-1]
		if d*direction < 0 {
			n++
		}
		if d != 0 {
			direction = d
		}
	}
	return n
}

func TestAutoscaleFirstExecutionWakesFromZeroAtOnce(t *testing.T) {
	p := newPlant(t, 10, 1, internal(0, 10))
	wantEqual(t, "replicas of an unused function", p.fn.DesiredReplicas(), 0)
	wantEqual(t, "timers of an unused function", p.clock.armedTimers(), 0)
	p.enqueue("f") // no time passes
	wantEqual(t, "wanted", p.fn.DesiredReplicas(), 1)
	wantEqual(t, "asked", fmt.Sprint(p.fleet.asked), "[1]")
	scaled := p.seen.of(EventScaled)
	wantEqual(t, "events", len(scaled), 1)
	wantEqual(t, "event's count", scaled[0].Count, 1)
}

func TestAutoscaleBurstFromZero(t *testing.T) {
	p := newPlant(t, 5, 2, internal(0, 10, perPod("STATIC_PER_POD", 2)), queueSize(1000))
	for range 40 {
		p.enqueue("f")
		p.sent++
	}
	p.run(1, 0)
	wantEqual(t, "wanted a tenth of an interval after the burst", p.fn.DesiredReplicas(), 10)
	p.settle()
	p.run(300, 0)
	wantEqual(t, "after the grace period", p.fn.DesiredReplicas(), 0)
	wantEqual(t, "ready", p.fn.ReadyReplicas(), 0)
	wantEqual(t, "steps", fmt.Sprint(p.steps()), "[1 10 0]")
}

func TestAutoscaleFollowsARamp(t *testing.T) {
	alone(t)
	// A replica serves 2 at once in 0.5 s: 4 a second. From 0 to 40 a second.
	p := newPlant(t, 10, 5, internal(1, 20, perPod("STATIC_PER_POD", 2)))
	deepest := 0
	for rate := range 41 {
		p.run(50, float64(rate))
		deepest = max(deepest, p.fn.QueueDepth())
	}
	if got := p.fn.ReadyReplicas(); got < 10 || got > 15 {
		t.Errorf("%d replicas at 40 a second, which 10 serve", got)
	}
	if deepest > 40 {
		t.Errorf("the queue grew to %d: a second's work at the peak is 40", deepest)
	}
	p.settle()
	wantEqual(t, "turns on the way up", turns(p.desired), 0)
	p.run(1000, 0)
	wantEqual(t, "at the minimum again", p.fn.DesiredReplicas(), 1)
	wantEqual(t, "turns", turns(p.desired), 1)
}

func TestAutoscaleDoesNotFlapUnderOscillatingLoad(t *testing.T) {
	alone(t)
	for _, period := range []int{20, 100, 300, 500} { // steps, all within the window of 600
		t.Run(fmt.Sprint(time.Duration(period)*plantStep), func(t *testing.T) {
			p := newPlant(t, 10, 5, internal(1, 20, perPod("STATIC_PER_POD", 2)))
			for range 6000 / period {
				p.run(period/2, 40)
				p.run(period/2, 4)
			}
			// The backlog of the first seconds is worth one turn, finding the level one more.
			if turns(p.desired) > 2 {
				t.Errorf("the number turned %d times in 10 minutes: %v", turns(p.desired), p.steps())
			}
			p.settle()
		})
	}
}

func TestAutoscaleProviderOutage(t *testing.T) {
	p := newPlant(t, 10, 5, internal(0, 8, perPod("STATIC_PER_POD", 2)))
	p.run(300, 10)
	before := p.fn.DesiredReplicas()
	if before < 2 {
		t.Fatalf("%d replicas before the outage", before)
	}
	p.fleet.down = true
	asked := len(p.fleet.asked)
	p.run(600, 10) // one minute; nothing is served
	wantEqual(t, "wanted during the outage: the maximum, and no more", p.fn.DesiredReplicas(), 8)
	if again := len(p.fleet.asked) - asked; again < 25 || again > 35 {
		t.Errorf("asked %d times in a minute, want about every 2 s", again)
	}
	p.fleet.down = false
	p.run(40, 10)
	if p.fn.ReadyReplicas() != 8 {
		t.Errorf("%d ready 4 s after the outage, want 8", p.fn.ReadyReplicas())
	}
	p.settle()
	p.run(310, 0)
	wantEqual(t, "wanted when idle", p.fn.DesiredReplicas(), 0)
	wantEqual(t, "ready when idle", p.fn.ReadyReplicas(), 0)
}

func TestAutoscaleZeroNeedsTheWholeGrace(t *testing.T) {
	p := newPlant(t, 0, 1, internal(0, 4))
	p.run(1, 10)
	p.settle()
	wantEqual(t, "wanted", p.fn.DesiredReplicas(), 1)
	p.run(280, 0)
	wantEqual(t, "28 s after the last work", p.fn.DesiredReplicas(), 1)
	p.run(1, 10) // starts the grace period again
	p.settle()
	p.run(280, 0)
	wantEqual(t, "28 s after the last work again", p.fn.DesiredReplicas(), 1)
	p.run(40, 0)
	wantEqual(t, "32 s after", p.fn.DesiredReplicas(), 0)
}

// TestAutoscaleRetryWakesFromZero: while a retry pauses the function may go to zero;
// what comes back must not wait for an instance that nobody asks for.
func TestAutoscaleRetryWakesFromZero(t *testing.T) {
	p := newPlant(t, 5, 1000, internal(0, 4), retries(1), pausing(RetryBackoff{InitialMillis: 90_000, MaxMillis: 90_000, Multiplier: 1}))
	p.enqueue("f")
	p.run(10, 0)
	p.running[0].task.Complete(failure("E"))
	p.running, p.service = nil, 1
	p.run(600, 0)
	wantEqual(t, "pausing", p.fn.Pausing(), 1)
	wantEqual(t, "replicas wanted during the pause", p.fn.DesiredReplicas(), 0)
	p.clock.advance(31 * time.Second) // the pause is over
	wantEqual(t, "replicas wanted once it is over", p.fn.DesiredReplicas(), 1)
	p.run(20, 0)
	wantEqual(t, "executions that ended in success", len(p.seen.of(EventEnded)), 1)
}

func TestAutoscaleAtRestHasNoTimer(t *testing.T) {
	for _, low := range []int{0, 2} {
		p := newPlant(t, 3, 1, internal(low, 8))
		p.run(100, 20)
		p.settle()
		p.run(400, 0)
		p.clock.advance(2 * time.Hour) // deadlines and TTLs have passed too
		wantEqual(t, "wanted", p.fn.DesiredReplicas(), low)
		wantEqual(t, "armed timers", p.clock.armedTimers(), 0)
	}
}

func TestAutoscaleIgnoresWallClockJumps(t *testing.T) {
	run := func(jump time.Duration) []int {
		p := newPlant(t, 10, 5, internal(0, 20, perPod("STATIC_PER_POD", 2), metric("rps", 3), metric("queue_depth", 2)))
		p.run(200, 30)
		p.clock.jump(jump)
		p.run(200, 30)
		p.clock.jump(-2 * jump)
		p.run(900, 3)
		p.run(400, 0)
		return p.desired
	}
	steady, jumping := run(0), run(37*time.Second)
	wantEqual(t, "replicas over time", fmt.Sprint(jumping), fmt.Sprint(steady))
}

func TestAutoscaleReplaysBitForBit(t *testing.T) {
	run := func() string {
		p := newPlant(t, 7, 3, internal(0, 20, perPod("ADAPTIVE_PER_POD", 2), metric("rps", 0.7), metric("cpu", 0.3)))
		for i := range 60 {
			p.run(13, float64(i*i%37)+0.1)
			if err := p.ReportMetric("f", "cpu", "", float64(i%7)/9); err != nil {
				t.Fatal(err)
			}
		}
		p.run(500, 0)
		s := ""
		for _, kind := range []EventKind{EventScaled, EventReplicasReady, EventConcurrencyChanged} {
			for _, e := range p.seen.of(kind) {
				s += fmt.Sprintln(e.Kind, e.At, e.Count)
			}
		}
		return s
	}
	first := run()
	if len(first) < 100 {
		t.Fatalf("hardly anything happened: %s", first)
	}
	wantEqual(t, "second run", run(), first)
}

func TestAutoscaleMinimumIsAskedForAtRegistration(t *testing.T) {
	p := newPlant(t, 0, 1, internal(3, 8))
	wantEqual(t, "asked", fmt.Sprint(p.fleet.asked), "[3]")
}

func TestAutoscaleLeavesOthersAlone(t *testing.T) {
	scaler := &calls{}
	b := newBed(t, func(cfg *Config) { cfg.Scaler = scaler })
	with := func(strategy string) func(*SpecInput) {
		return func(in *SpecInput) {
			internal(1, 8)(in)
			in.ScalingConfig.Strategy = &strategy
		}
	}
	b.register("hpa", with("HPA"))
	b.register("none", with("NONE"))
	elsewhere := spec(t, "elsewhere", with("INTERNAL"))
	elsewhere.NoInstances = true
	if _, err := b.Register(elsewhere); err != nil {
		t.Fatal(err)
	}
	b.register("plain")
	for _, fn := range b.Functions() {
		b.enqueue(fn.Name())
		if fn.Autoscaled() {
			t.Errorf("%s is autoscaled", fn.Name())
		}
	}
	b.clock.advance(10 * time.Second)
	wantEqual(t, "asked", len(scaler.asked), 0)
}

func TestAutoscaleOfADeletedFunctionStops(t *testing.T) {
	p := newPlant(t, 10, 5, internal(0, 8))
	p.run(50, 20)
	if _, err := p.Delete("f"); err != nil {
		t.Fatal(err)
	}
	asked := len(p.fleet.asked)
	p.ReplicasReady("f", 3) // late news
	p.clock.advance(time.Hour)
	wantEqual(t, "asked after the deletion", len(p.fleet.asked), asked)
}

func TestAutoscaleSetByHand(t *testing.T) {
	p := newPlant(t, 0, 1, internal(1, 8))
	p.run(400, 0) // idle, at rest
	if err := p.SetReplicas("f", 12); err != nil {
		t.Fatal(err)
	}
	p.run(290, 0)
	wantEqual(t, "held, above the maximum too", p.fleet.ready, 12)
	p.run(30, 0)
	wantEqual(t, "after the grace period", p.fleet.ready, 1)

	if err := p.SetReplicas("f", 0); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "wanted", p.fn.DesiredReplicas(), 0)
	p.run(12, 0)
	wantEqual(t, "the minimum has the last word", p.fn.DesiredReplicas(), 1)
}

func TestAutoscaleSetByHandChecks(t *testing.T) {
	p := newPlant(t, 0, 1, internal(1, 8))
	p.register("plain")
	var invalid *ValidationError
	for _, c := range []struct {
		name string
		n    int
	}{{"f", -1}, {"f", MaxReplicasBound + 1}, {"plain", 1}} {
		if err := p.SetReplicas(c.name, c.n); !errors.As(err, &invalid) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if err := p.SetReplicas("nobody", 1); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown function: %v", err)
	}
}

// instantScaler tells that replicas are ready from inside SetReplicas.
type instantScaler struct{ c *Core }

func (s *instantScaler) SetReplicas(fn *Function, n int) { s.c.ReplicasReady(fn.Name(), n) }

func TestAutoscaleScalerMayAnswerAtOnce(t *testing.T) {
	s := &instantScaler{}
	b := newBed(t, func(cfg *Config) { cfg.Scaler = s })
	s.c = b.Core
	fn := b.register("f", internal(0, 8, perPod("STATIC_PER_POD", 2)))
	for range 10 {
		b.enqueue("f")
	}
	b.clock.advance(time.Second)
	wantEqual(t, "ready", fn.ReadyReplicas(), 5)
	b.wantLoad("f", 0, 10)
}

// From one thread the order of events is exact: an execution that wakes the autoscaler
// has its slot before that looks, and so it is observed, even where the look ends with fewer slots.
func TestAutoscaleIsObservedAfterTheDispatchThatWakesIt(t *testing.T) {
	s := &instantScaler{}
	b := newBed(t, func(cfg *Config) { cfg.Scaler = s })
	s.c = b.Core
	fn := b.register("f", internal(0, 8, perPod("STATIC_PER_POD", 2)))
	b.ReplicasReady("f", 4) // more than are wanted: the look takes three of them
	before := len(b.seen.events)
	b.enqueue("f")
	wantEqual(t, "slots", fn.EffectiveConcurrency(), 2)
	var order []EventKind
	for _, e := range b.seen.events[before:] {
		order = append(order, e.Kind)
	}
	wantEqual(t, "events", fmt.Sprint(order), fmt.Sprint([]EventKind{EventAccepted, EventDispatched, EventScaled, EventReplicasReady, EventConcurrencyChanged}))
}
