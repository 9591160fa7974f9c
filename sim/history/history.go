// Package history tells from recorded steps what became of the calls: when each
// arrived, waited, ran and ended. It decides nothing and verifies nothing: what
// the records say is taken as it is. The same figures come from a recording of a
// server and from that of a simulated run.
package history

import (
	"time"

	"simplane/core"
)

// Options say which part of a recording counts. Times are elapsed ns of the
// recorded clock.
type Options struct {
	// From and Until bound what counts: [From, Until). What is under way at From
	// counts as if it had arrived then.
	From, Until int64
	// StaleTTL is the recorded setting.
	StaleTTL time.Duration
	// Bins is into how many equal parts the time is divided for plots. >= 1.
	Bins int
}

// History is what the steps came to. It implements core.Recorder, for one
// goroutine. The steps of one function must come in their order, a Base behind
// the step that it was recorded with; the order of functions does not matter.
type History struct {
	opts      Options
	domains   map[uint32]*domain
	byName    map[string]*Function
	Functions []*Function // in order of appearance
	// Slowest took longest of those whose arrival and end are recorded.
	Slowest struct {
		ID   core.ID
		Took time.Duration
	}

	last   *domain // of the latest step, with which further records go
	lastID core.ID
	kind   core.StepKind
	mono   int64
	wall   int64
}

// domain is one registration of a function.
type domain struct {
	*Function
	spec    *core.Spec // nil = not known
	running int
	depth   int
	since   int64 // elapsed ns of the first step
	begun   bool  // since is known
	crossed bool  // From is reached
	live    map[core.ID]*execution
	// outliving have ended, and their attempt still has its slot.
	outliving []*execution
}

// execution is one that has not ended, or whose attempt still runs.
type execution struct {
	id                core.ID
	created           int64 // elapsed, or when it began to count
	arrived           int64 // when it is counted as an arrival
	started           int64 // of the attempt; 0 = it does not run
	timeout, queueEnd int64
	moved             int64 // wall ns of its last transition
	queuedNo          uint64
	input             uint32
	sync, slot, ended bool
	pausing, carried  bool
	cold              bool
}

// New is an empty history.
func New(o Options) *History {
	o.Bins = max(o.Bins, 1)
	return &History{opts: o, domains: map[uint32]*domain{}, byName: map[string]*Function{}}
}

// Base implements core.Recorder.
func (h *History) Base(b *core.Base) {
	d := h.domain(b.Domain)
	if b.Spec != nil {
		d.named(h, b.Spec.Name)
		d.respec(h, b)
	}
	if !b.Whole {
		return
	}
	d.begin(h, b.Mono)
	running := 0
	for i := range b.Live {
		x := &b.Live[i]
		if x.Slot {
			running++
		}
		if d.live[x.ID] != nil || x.Status.Terminal() && !x.Slot {
			continue
		}
		e := &execution{
			id: x.ID, created: x.Created.Mono, timeout: x.Timeout, queueEnd: x.QueueEnd, moved: max(x.Created.Wall, x.Started.Wall),
			input: uint32(max(0, x.Input)), sync: x.Sync, slot: x.Slot, pausing: x.Pausing, cold: x.Cold, carried: true,
		}
		if x.Slot {
			e.started = max(x.Started.Mono, 1)
		}
		d.live[x.ID] = e
		if x.Status.Terminal() {
			e.ended = true
			d.outliving = append(d.outliving, e)
			continue
		}
		if at := max(d.since, h.opts.From); d.crossed {
			d.arrive(h, e, at)
		}
	}
	d.running, d.depth = running, len(b.Queue)+len(b.Late)
}

// domain is the one of a number.
func (h *History) domain(n uint32) *domain {
	d := h.domains[n]
	if d == nil {
		d = &domain{live: map[core.ID]*execution{}}
		d.Function = &Function{Domain: n, Refused: map[string]int64{}, Bounds: map[string]uint64{}, Plot: newPlot(h.opts.Bins)}
		h.Functions = append(h.Functions, d.Function)
		h.domains[n] = d
	}
	return d
}

// named joins a registration with an earlier one of the same name.
func (d *domain) named(h *History, name string) {
	if d.Name != "" || name == "" {
		return
	}
	if other := h.byName[name]; other != nil {
		other.add(d.Function)
		for i, f := range h.Functions {
			if f == d.Function {
				h.Functions = append(h.Functions[:i], h.Functions[i+1:]...)
				break
			}
		}
		d.Function = other
		return
	}
	d.Name = name
	h.byName[name] = d.Function
}

// respec notes the spec in force.
func (d *domain) respec(h *History, b *core.Base) {
	switch {
	case d.Spec == nil, b.Mono < h.opts.From:
		d.Spec = b.Spec
	case d.spec != nil && d.spec.Generation == b.Spec.Generation:
		return
	case b.Mono < h.opts.Until:
		d.Changes = append(d.Changes, Change{At: h.at(b.Mono), Spec: b.Spec})
	}
	d.spec = b.Spec
}

// begin is called with the instant of each record: at the first one, and when
// From is reached, what is under way begins to count.
func (d *domain) begin(h *History, mono int64) {
	if !d.begun {
		d.begun, d.since = true, mono
	}
	if d.crossed || mono < h.opts.From {
		return
	}
	d.crossed = true
	for _, e := range d.live {
		if !e.ended {
			e.carried = true
			d.arrive(h, e, max(h.opts.From, min(d.since, mono)))
		}
	}
}

// at is an instant as time since From.
func (h *History) at(mono int64) time.Duration { return time.Duration(max(0, mono-h.opts.From)) }

// counts says that what happens at an instant counts.
func (h *History) counts(mono int64) bool { return mono >= h.opts.From && mono < h.opts.Until }
