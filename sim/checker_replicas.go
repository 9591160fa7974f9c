package sim

import (
	"math"
	"time"

	"simplane/core"
)

// What the autoscaler decides is taken again by a model of its own: at each of its looks,
// which are among the recorded steps, from the load at that time, the figures that were
// reported, and the looks before.

// replicaModel is the model of one registration of a function.
type replicaModel struct {
	f      *generation
	closed bool // deleted

	adapts bool // core adapts something of it
	scaled bool // its replicas, and not only its slots
	sc     core.ScalingConfig

	arrived, judged int64 // executions accepted, and those before the last look
	samples         []timedCount
	figures         []figure // one for each metric
	busyAt          int64    // elapsed ns, as all times

	desired      int
	upAt, downAt int64
	asked        []timedCount // of the window

	target    int // slots for each instance
	changedAt int64

	next    int64 // of the timer; 0 = it is not set
	woken   bool  // it is to look at once
	asking  bool  // the provider is being called
	due     bool  // it is to be called
	askedAt int64
}

type timedCount struct{ at, n int64 }

// figure is what was reported of a metric.
type figure struct {
	value float64
	at    int64
	ready int // instances that it is the mean of; 0 = it came before the first
	told  bool
}

const (
	callAgain     = int64(2 * time.Second)  // between calls for instances that do not come
	figureCounts  = int64(60 * time.Second) // how long one does
	rateLooks     = 6
	rateReaches   = int64(10 * time.Second)
	wakeSooner    = 10 // the look after one that work has woken comes sooner by so much
	slotsUntilSet = 2  // for each instance
)

func newReplicaModel(spec *core.Spec) replicaModel {
	m := replicaModel{target: slotsUntilSet, changedAt: never, busyAt: never, upAt: never, downAt: never, askedAt: never}
	if spec.ScalingConfig == nil {
		return m
	}
	m.sc = *spec.ScalingConfig
	m.figures = make([]figure, len(m.sc.Metrics))
	if cc := m.sc.ConcurrencyControl; cc != nil {
		if m.target = cc.TargetInFlightPerPod; m.adaptive() {
			m.target = min(max(m.target, cc.MinTargetInFlightPerPod), cc.MaxTargetInFlightPerPod)
		}
	}
	m.scaled = m.sc.Strategy == "INTERNAL"
	m.adapts = m.scaled || m.adaptive()
	return m
}

func (m *replicaModel) adaptive() bool {
	cc := m.sc.ConcurrencyControl
	return cc != nil && cc.Mode == core.ConcurrencyAdaptive
}

func (m *replicaModel) perPod() bool {
	cc := m.sc.ConcurrencyControl
	return cc != nil && cc.Mode != core.ConcurrencyFixed
}

// slots are how many there must be.
func (m *replicaModel) slots() int {
	spec := m.f.core.Spec()
	if sc := spec.ScalingConfig; sc == nil || sc.ConcurrencyControl == nil || sc.ConcurrencyControl.Mode == core.ConcurrencyFixed {
		return spec.Concurrency
	}
	return m.target * max(1, m.f.core.ReadyReplicas())
}

// based is told of the state of a function before its first step.
func (c *checker) based(b *core.Base) {
	if c.replicas[b.Domain] != nil {
		return
	}
	f := c.w.byName[b.Spec.Name].current
	if f == nil {
		return
	}
	m := newReplicaModel(f.core.Spec())
	m.f = f
	c.replicas[b.Domain] = &m
	c.unscaled.set(b.Domain, !m.adapts)
	if m.scaled && m.sc.MinReplicas > 0 { // for the instances that it begins with
		m.wake(c)
	}
}

// stepped follows a recorded step. A function of which nothing is adapted has no timer,
// and an update that changes that begins its model anew: until then there is nothing to
// follow but steps of an autoscaler, which it must not take.
func (c *checker) stepped(s *core.Step) {
	if c.unscaled.has(s.Domain) {
		switch s.Kind {
		case core.StepUpdate, core.StepClose, core.StepLook, core.StepLookAgain, core.StepAsked:
		default:
			return
		}
	}
	m := c.replicas[s.Domain]
	if m == nil || m.closed || s.Kind == core.StepMore {
		return
	}
	kind, happened := s.Outcome().Event()
	switch now := s.Mono; s.Kind {
	case core.StepClose:
		m.closed = true
	case core.StepAccept:
		if happened && kind == core.EventAccepted {
			m.arrived++
			m.works(c)
		}
	case core.StepDue:
		if happened && kind == core.EventRequeued {
			m.busyAt = now
			m.works(c)
		}
	case core.StepUpdate:
		if happened && kind == core.EventReconfigured {
			m.rescale(c, m.f.core.Spec(), now)
			c.unscaled.set(s.Domain, !m.adapts)
		}
	case core.StepSetReplicas:
		if m.scaled {
			m.set(c, int(s.A), now)
		}
	case core.StepReplicas:
		if m.adapts && m.next == 0 && !m.met() {
			m.next = now + int64(c.cfg.AutoscaleInterval)
		}
	case core.StepReport:
		if m.scaled && s.A > 0 {
			m.figures[s.A-1] = figure{math.Float64frombits(s.Extra), now, m.f.core.ReadyReplicas(), true}
			if m.next == 0 {
				m.wake(c)
			}
		}
	case core.StepLook, core.StepLookAgain:
		c.unscaled.set(s.Domain, false) // if it was, it has a timer now
		m.look(c, s)
	case core.StepAsked:
		if !m.asking {
			c.w.fail("replicas", "%s: the provider is called, and nothing has changed", m.f.name)
		}
		m.asking = false
		m.call(now)
	}
	if m.next != 0 && s.Mono > m.next {
		c.w.fail("the autoscaler looks in time", "%s: it should have looked %d ns ago", m.f.name, s.Mono-m.next)
	}
}

// works notes work that has come, or come back, to the queue: it wakes a function that rests,
// or has no instances.
func (m *replicaModel) works(c *checker) {
	if m.adapts && (m.next == 0 || m.scaled && m.desired == 0) {
		m.wake(c)
	}
}

// wake has it look before time moves.
func (m *replicaModel) wake(c *checker) {
	if !m.woken {
		m.woken = true
		c.calling = append(c.calling, m)
	}
}

// called checks, before time moves, that every call for replicas was made, and that all have
// looked that were to look at once.
func (c *checker) called() {
	for _, m := range c.calling {
		if m.woken && !m.closed {
			c.w.fail("the autoscaler looks in time", "%s: it was woken, and does not look", m.f.name)
		}
		if m.asking && !m.closed {
			c.w.fail("replicas", "%s: %d are wanted, and the provider is not called", m.f.name, m.desired)
		}
	}
	c.calling = c.calling[:0]
}

func (m *replicaModel) met() bool { return !m.scaled || m.desired == m.f.core.ReadyReplicas() }

// call has the provider called if that is due and no call is under way.
func (m *replicaModel) call(now int64) {
	if m.due && !m.asking {
		m.asking, m.due, m.askedAt = true, false, now
	}
}

// set sets the replicas by hand, or to a maximum that was lowered.
func (m *replicaModel) set(c *checker, n int, now int64) {
	m.busyAt, m.due = now, true
	m.desired, m.upAt, m.downAt = n, now, now
	m.asked = append(m.asked, timedCount{now, int64(n)})
	if m.next == 0 {
		m.next = now + int64(c.cfg.AutoscaleInterval)
	}
	m.call(now)
	c.calling = append(c.calling, m)
}

// rescale puts another spec in force.
func (m *replicaModel) rescale(c *checker, spec *core.Spec, now int64) {
	next := newReplicaModel(spec)
	next.f = m.f
	if !m.adapts {
		if *m = next; m.adapts {
			m.wake(c)
		}
		return
	}
	if !next.adapts { // it stays, and changes nothing any more
		next.sc, next.figures = core.ScalingConfig{}, nil
	}
	if !m.scaled && next.scaled {
		m.desired, m.upAt, m.downAt, m.asked, m.samples = 0, never, never, nil, nil
	}
	if cc := next.sc.ConcurrencyControl; next.adaptive() && m.changedAt != never {
		m.target = min(max(m.target, cc.MinTargetInFlightPerPod), cc.MaxTargetInFlightPerPod)
	} else {
		m.target, m.changedAt = next.target, never
	}
	lowered := next.sc.MaxReplicas < m.sc.MaxReplicas
	m.scaled, m.sc, m.figures = next.scaled, next.sc, next.figures
	if lowered && m.scaled && m.desired > m.sc.MaxReplicas {
		m.set(c, m.sc.MaxReplicas, now)
	}
	if m.next == 0 {
		m.wake(c)
	}
}

// look is one look.
func (m *replicaModel) look(c *checker, s *core.Step) {
	now, interval := s.Mono, int64(c.cfg.AutoscaleInterval)
	slots := m.slots()
	m.adapt(s, slots)
	if got := m.f.core.EffectiveConcurrency(); got != m.slots() {
		c.w.fail("slots", "%s: %d after a look with %d queued and %d in flight of %d, expected %d", m.f.name, got, s.Depth(), s.Running(), slots, m.slots())
	}
	if m.scaled {
		m.judge(c, s, slots)
		m.call(now)
		c.calling = append(c.calling, m)
	}
	switch {
	case s.Kind == core.StepLook:
		if !m.woken {
			c.w.fail("the autoscaler looks in time", "%s: it looks at once, and nothing has woken it", m.f.name)
		}
		m.woken = false
		m.next = now + max(interval/wakeSooner, 1)
	case m.next != now:
		c.w.fail("the autoscaler looks in time", "%s: it looks %d ns after its time", m.f.name, now-m.next)
	case m.rests(s):
		m.next = 0
	default:
		m.next = now + interval
	}
}

// rests says that nothing is left to look at.
func (m *replicaModel) rests(s *core.Step) bool {
	floor := !m.adaptive() || m.target <= m.sc.ConcurrencyControl.MinTargetInFlightPerPod
	return s.Depth()+s.Running() == 0 && m.met() && (!m.scaled || m.desired == m.sc.MinReplicas) && floor
}

// adapt moves the slots for each instance.
func (m *replicaModel) adapt(s *core.Step, slots int) {
	if !m.adaptive() {
		return
	}
	cc, since, by := m.sc.ConcurrencyControl, s.Mono-m.changedAt, 0
	switch share := float64(s.Running()) / float64(slots); {
	case share >= cc.HighLoadThreshold && s.Depth() > 0:
		if m.target < cc.MaxTargetInFlightPerPod && since >= int64(cc.UpscaleCooldownMs)*1e6 {
			by = 1
		}
	case share <= cc.LowLoadThreshold:
		if m.target > cc.MinTargetInFlightPerPod && since >= int64(cc.DownscaleCooldownMs)*1e6 {
			by = -1
		}
	}
	if m.target += by; by != 0 {
		m.changedAt = s.Mono
	}
}

// judge decides on the replicas, and compares them with core's.
func (m *replicaModel) judge(c *checker, s *core.Step, slots int) {
	now, cfg := s.Mono, &c.cfg
	for n := len(m.samples); n > 0 && (n == rateLooks || now-m.samples[0].at > rateReaches); n = len(m.samples) {
		m.samples = m.samples[1:]
	}
	m.samples = append(m.samples, timedCount{now, m.arrived})
	want, outside := m.want(s, slots)
	busy := s.Depth()+s.Running() > 0
	if busy || m.arrived != m.judged || outside {
		m.busyAt = now
	}
	m.judged = m.arrived
	idle := !busy && now-m.busyAt >= int64(cfg.ScaleToZeroGrace)
	if idle {
		want = m.sc.MinReplicas
	}
	before := m.desired
	m.decide(c, now, want, idle)
	if got := m.f.core.DesiredReplicas(); got != m.desired {
		c.w.fail("replicas", "%s: %d after a look that asks for %d (idle %v), expected %d; before it %d", m.f.name, got, want, idle, m.desired, before)
	}
	m.due = m.due || m.desired != before || !m.met() && now-m.askedAt >= callAgain
}

// decide takes a step up or down if it may.
func (m *replicaModel) decide(c *checker, now int64, want int, idle bool) {
	cfg, most := &c.cfg, 1
	m.asked = append(m.asked, timedCount{now, int64(want)})
	for m.asked[0].at < now-int64(cfg.ScaleDownWindow) {
		m.asked = m.asked[1:]
	}
	for _, a := range m.asked {
		most = max(most, int(a.n))
	}
	if want > m.desired {
		if now-m.upAt >= int64(cfg.ScaleUpCooldown) || want >= 2*m.desired {
			m.desired, m.upAt = want, now
		}
		return
	}
	enough := 5*(m.desired-most) >= m.desired
	if idle {
		most, enough = want, true
	}
	if most < m.desired && enough && now-max(m.upAt, m.downAt) >= int64(cfg.ScaleDownCooldown) {
		m.desired, m.downAt = most, now
	}
}

// want is how many replicas the load asks for. outside says that a figure which core does
// not see the work of asks for more than the minimum.
func (m *replicaModel) want(s *core.Step, slots int) (n int, outside bool) {
	known, ready := true, m.f.core.ReadyReplicas()
	for i, metric := range m.sc.Metrics {
		of := -1.0
		switch f := &m.figures[i]; metric.Type {
		case "queue_depth":
			of = float64(s.Depth()) / metric.Target
		case "in_flight":
			of = float64(s.Running()) / metric.Target
		case "rps":
			of = m.rate() / metric.Target
		default:
			if f.told && s.Mono-f.at <= figureCounts && ready > 0 {
				if f.ready == 0 {
					f.ready = ready
				}
				of = f.value / metric.Target * float64(f.ready)
			}
		}
		if of < 0 {
			known = false
			continue
		}
		w := wholeReplicas(of)
		outside = outside || metric.Type == "prometheus" && w > m.sc.MinReplicas
		n = max(n, w)
	}
	if len(m.sc.Metrics) == 0 {
		demand := s.Depth() + s.Running()
		if !m.perPod() {
			demand = min(demand, slots)
		}
		n = wholeReplicas(float64(demand) / float64(m.target))
	}
	if !known {
		n = max(n, m.desired)
	}
	if s.Depth()+s.Running() > 0 {
		n = max(n, 1)
	}
	return min(max(n, m.sc.MinReplicas), m.sc.MaxReplicas), outside
}

// rate is of the executions accepted, in a second.
func (m *replicaModel) rate() float64 {
	first, last := m.samples[0], m.samples[len(m.samples)-1]
	return float64(last.n-first.n) * float64(time.Second) / float64(max(last.at-first.at, int64(time.Second)))
}

func wholeReplicas(x float64) int {
	return int(math.Ceil(math.Min(x, core.MaxReplicasBound) * (1 - 1e-9)))
}
