package server

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"simplane/core"
	"simplane/server/internal/history"
	"simplane/server/internal/telemetry"
	"simplane/server/provider"
)

// past keeps what functions did in the last hour, and marks what happened.
type past struct {
	samples *history.Keeper
	marks   *history.Marks
	rollout map[string]string // of functions that have one
	faulty  map[string]string // providers, and why
}

func newPast() past {
	return past{samples: history.New(history.DefaultBytes, telemetry.LatencyBounds()), marks: &history.Marks{}, rollout: map[string]string{}, faulty: map[string]string{}}
}

// keepPast looks at all functions at intervals until ctx ends.
func (s *Server) keepPast(ctx context.Context) {
	s.mark("start", "", "simplane has started", "")
	s.lookBack()
	every(ctx, history.Interval, s.lookBack)
}

// lookBack takes one look.
func (s *Server) lookBack() {
	s.past.samples.Look(s.clock.Now().WallMillis(), s.readings())
	rollouts := map[string]string{}
	for _, c := range s.cores() {
		for _, fn := range c.Functions() {
			if state := s.deploying.RolloutState(fn); state != "" {
				rollouts[fn.Name()] = state
			}
		}
	}
	s.markRollouts(rollouts)
	s.markProviders()
}

// readings are those of all functions of this node.
func (s *Server) readings() (readings []history.Reading) {
	for _, c := range s.cores() {
		for _, fn := range c.Functions() {
			n := telemetry.CountsOf(fn)
			readings = append(readings, history.Reading{
				Name: fn.Name(), Accepted: n.Enqueued, OK: n.Success, Failed: n.Error + n.Timeout, Rejected: n.Rejected,
				Queued: fn.QueueDepth(), InFlight: fn.InFlight(), Slots: fn.EffectiveConcurrency(), Ready: s.readyOf(fn),
				Latency: func() []uint64 { return telemetry.LatencyOf(fn) },
			})
		}
	}
	return readings
}

// markRollouts marks what has changed of the rollouts since the last look.
func (s *Server) markRollouts(now map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(now)) {
		switch state := now[name]; {
		case state == s.past.rollout[name]:
		case state == provider.RolloutFailed:
			s.mark("fault", name, "no new instance got ready; the old ones stay", "")
		default:
			s.mark("rollout", name, "new instances are being started", "")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.past.rollout)) {
		if now[name] == "" && s.coreOf(name) != nil && s.coreOf(name).Function(name) != nil {
			s.mark("rollout", name, "new instances have taken over", "")
		}
	}
	s.past.rollout = now
}

// markProviders marks which providers have come into trouble, or out of it.
func (s *Server) markProviders() {
	now := map[string]string{}
	for name, err := range s.providerHealth() {
		if err != nil {
			now[name] = err.Error()
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if s.past.faulty[name] == "" {
			s.mark("fault", "", fmt.Sprintf("provider %s: %s", name, now[name]), "")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.past.faulty)) {
		if now[name] == "" {
			s.mark("recovered", "", "provider "+name+" is back", "")
		}
	}
	s.past.faulty = now
}

// mark notes what has happened now.
func (s *Server) mark(kind, function, text, who string) {
	s.past.marks.Add(history.Mark{AtMillis: s.clock.Now().WallMillis(), Kind: kind, Function: function, Text: text, Who: who})
}

// readyOf is how many instances of a function take work.
func (s *Server) readyOf(fn *core.Function) int {
	if fn.Autoscaled() {
		return fn.ReadyReplicas()
	}
	if s.provider == nil {
		return 0
	}
	status, _ := s.provider.Status(fn.Name())
	return status.Ready
}

// instancesOf are the instances of a function; known is false where none are started.
func (s *Server) instancesOf(name string) (status provider.Status, ready []provider.Endpoint, known bool) {
	if s.provider == nil {
		return status, nil, false
	}
	if status, known = s.provider.Status(name); !known {
		return status, nil, false
	}
	return status, s.provider.Endpoints(name), true
}

// stateOf is how the last change of a function's instances goes, and why they do not
// start; empty when there is nothing to say.
func (s *Server) stateOf(spec *core.Spec) (rollout, trouble string) {
	if r := s.deploying.Rollout(spec); r != nil {
		if rollout = r.State; r.Message != "" {
			rollout += ": " + r.Message
		}
	}
	return rollout, s.deploying.Trouble(spec)
}
