package core

import "time"

// BaseAutoscale is the autoscaler's state of a function in a Base. Times are
// elapsed ns.
type BaseAutoscale struct {
	Scaled    bool          `json:"scaled"`
	Config    ScalingConfig `json:"config"`
	Reports   []BaseReport  `json:"reports"`
	Arrived   uint64        `json:"arrived"`
	Judged    uint64        `json:"judged"`
	Arrivals  [][2]int64    `json:"arrivals"` // time and count of each sample
	Desired   int           `json:"desired"`
	UpAt      int64         `json:"upAt"`
	DownAt    int64         `json:"downAt"`
	Asked     [][2]int64    `json:"asked"` // time and number
	Target    int           `json:"target"`
	ChangedAt int64         `json:"changedAt"`
	BusyAt    int64         `json:"busyAt"`
	AskedAt   int64         `json:"askedAt"`
	Armed     bool          `json:"armed"`
	Waking    bool          `json:"waking"`
	Due       bool          `json:"due"`
	Asking    bool          `json:"asking"`
}

// BaseReport is a reported metric's latest value.
type BaseReport struct {
	Value float64 `json:"value"`
	At    int64   `json:"at"`
	Ready int     `json:"ready"`
	Told  bool    `json:"told"`
}

// base is a copy of the state; nil of nil. The caller holds the function's lock.
func (a *autoscale) base() *BaseAutoscale {
	if a == nil {
		return nil
	}
	b := &BaseAutoscale{
		Scaled: a.scaled.Load(), Config: a.spec, Arrived: a.arrived, Judged: a.judged,
		Desired: a.policy.desired, UpAt: a.policy.upAt, DownAt: a.policy.downAt,
		Target: a.perPod.target, ChangedAt: a.perPod.changedAt, BusyAt: a.busyAt, AskedAt: a.askedAt,
		Armed: a.armed, Waking: a.waking, Due: a.due, Asking: a.asking,
	}
	for _, r := range a.reports {
		b.Reports = append(b.Reports, BaseReport{r.value, r.at, r.ready, r.told})
	}
	for _, s := range a.arrivals.samples[:a.arrivals.n] {
		b.Arrivals = append(b.Arrivals, [2]int64{s.at, int64(s.count)})
	}
	for _, v := range a.policy.asked.items {
		b.Asked = append(b.Asked, [2]int64{v.at, int64(v.value)})
	}
	return b
}

// autoscale is the state that b is of; nil of nil. timer is its timer.
func (b *BaseAutoscale) autoscale(timer Timer) *autoscale {
	if b == nil {
		return nil
	}
	a := &autoscale{
		spec: b.Config, arrived: b.Arrived, judged: b.Judged,
		policy: replicaPolicy{desired: b.Desired, upAt: b.UpAt, downAt: b.DownAt},
		perPod: perPodTarget{target: b.Target, changedAt: b.ChangedAt}, busyAt: b.BusyAt, askedAt: b.AskedAt,
		timer: timer, armed: b.Armed, waking: b.Waking, due: b.Due, asking: b.Asking,
	}
	a.scaled.Store(b.Scaled)
	for _, r := range b.Reports {
		a.reports = append(a.reports, report{r.Value, r.At, r.Ready, r.Told})
	}
	for _, s := range b.Arrivals[:min(len(b.Arrivals), rateSamples)] {
		a.arrivals.samples[a.arrivals.n] = arrivalSample{at: s[0], count: uint64(s[1])}
		a.arrivals.n++
	}
	for _, v := range b.Asked {
		a.policy.asked.items = append(a.policy.asked.items, timedValue{v[0], int(v[1])})
	}
	return a
}

// noTimer is a Timer that never fires.
type noTimer struct{}

func (noTimer) Stop() bool               { return false }
func (noTimer) Reset(time.Duration) bool { return false }
