package replay

import (
	"fmt"
	"time"

	"simplane/core"
	"simplane/core/recording"
)

// Timeline is what became of one execution.
type Timeline struct {
	ID       core.ID
	Function string
	Phases   []Phase
	Lines    []string // its steps, in the form of the event log
}

// Phase is a part of an execution's life. Times count from the recording's first
// step; one that was not over at the end has no To.
type Phase struct {
	State    string // queued, running or pausing
	Attempt  int
	From, To time.Duration
}

// The states of phases.
const (
	PhaseQueued  = "queued"
	PhaseRunning = "running"
	PhasePausing = "pausing"
)

// Timeline finds an execution's steps in a recording. The error says that there
// are none.
func (r *Report) Timeline(rec *recording.Recording, id core.ID) (*Timeline, error) {
	d := holding(rec, id)
	if d == nil {
		return nil, fmt.Errorf("the recording has no step of execution %v", id)
	}
	d.names = d.number(len(d.steps))
	t := &Timeline{ID: id, Function: d.Label()}
	queued, running := 0, 0
	for i := range d.steps {
		s := &d.steps[i]
		if s.Kind == core.StepMore {
			continue
		}
		if s.ID == id {
			t.take(s, time.Duration(s.Mono-r.Begin.Mono), s.Depth() > queued, s.Running() > running)
			t.Lines = append(t.Lines, r.Line(&d.Function, s))
		}
		queued, running = s.Depth(), s.Running()
	}
	return t, nil
}

// holding is the function that an execution is of, with its steps in order.
func holding(rec *recording.Recording, id core.ID) *domain {
	var d *domain
	for i := range rec.Steps {
		if s := &rec.Steps[i]; s.ID == id && s.Seq != 0 && s.Kind != core.StepMore && s.Kind != core.StepKey {
			d = &domain{Function: Function{Number: s.Domain}}
			break
		}
	}
	if d == nil {
		return nil
	}
	for i := range rec.Steps {
		if s := &rec.Steps[i]; s.Domain == d.Number && s.Seq != 0 {
			d.steps = append(d.steps, *s)
		}
	}
	for _, b := range rec.Bases {
		if b.Domain == d.Number && b.Spec != nil {
			d.Name = b.Spec.Name
		}
	}
	d.sort()
	return d
}

// take adds a step: queued and started say that it has put an execution into the
// queue, or given one a slot.
func (t *Timeline) take(s *core.Step, at time.Duration, queued, started bool) {
	event, happened := s.Outcome().Event()
	switch {
	case s.Kind == core.StepAccept && happened:
		if started {
			t.begin(PhaseRunning, 1, at)
		} else {
			t.begin(PhaseQueued, 1, at)
		}
	case (s.Kind == core.StepTick || s.Kind == core.StepDrain) && started:
		t.begin(PhaseRunning, t.attempt(), at)
	case happened && event == core.EventRetried && queued:
		t.begin(PhaseQueued, t.attempt()+1, at)
	case happened && event == core.EventRetried && s.Kind == core.StepAnswer:
		t.begin(PhasePausing, t.attempt()+1, at)
	case happened && event == core.EventRetried: // an interrupted one, in its slot
		t.begin(PhaseRunning, t.attempt()+1, at)
	case happened && event == core.EventRequeued:
		t.begin(PhaseQueued, t.attempt(), at)
	case happened && event == core.EventEnded:
		t.end(at)
	}
}

// attempt is the latest one.
func (t *Timeline) attempt() int {
	if n := len(t.Phases); n > 0 {
		return t.Phases[n-1].Attempt
	}
	return 1
}

func (t *Timeline) end(at time.Duration) {
	if n := len(t.Phases); n > 0 && t.Phases[n-1].To == 0 {
		t.Phases[n-1].To = at
	}
}

func (t *Timeline) begin(state string, attempt int, at time.Duration) {
	t.end(at)
	t.Phases = append(t.Phases, Phase{State: state, Attempt: attempt, From: at})
}
