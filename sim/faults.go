package sim

import (
	"errors"
	"slices"
	"time"

	"simplane/core"
	"simplane/sim/scenario"
)

// faultStep is the beginning or the end of a fault.
type faultStep struct {
	fault *scenario.Fault
	end   bool
}

func (e *engine) addFaults() {
	for i := range e.sc.Faults {
		f := &e.sc.Faults[i]
		e.addStep(f.At, faultStep{fault: f})
		if f.For > 0 {
			e.addStep(f.At+f.For, faultStep{fault: f, end: true})
		}
	}
}

func (e *engine) addStep(at time.Duration, s faultStep) {
	e.steps = append(e.steps, s)
	e.schedule(int64(at), evFault, int32(len(e.steps)-1))
}

// step carries out a fault: on the backends, the clock, or by asking core.
func (e *engine) step(s *faultStep) {
	f := s.fault
	verb := "fault "
	if s.end {
		verb = "fault-end "
	}
	line := append(e.log.begin(e.now), verb...)
	line = append(append(append(line, f.Kind...), ' '), f.Function...)
	e.log.end(line)
	if f.Kind == "clock-jump" {
		if e.check != nil {
			e.check.clockJumps()
		}
		e.offset += int64(f.By)
		return
	}
	for _, b := range e.group(f.Function).backends {
		e.stepOn(b, s)
	}
}

func (e *engine) stepOn(b *backend, s *faultStep) {
	f := s.fault
	switch f.Kind {
	case "outage":
		if s.end {
			b.outages--
		} else {
			b.outages++
		}
	case "slowdown":
		if s.end {
			i := slices.Index(b.slowdown, f.Factor)
			b.slowdown = slices.Delete(b.slowdown, i, i+1)
		} else {
			b.slowdown = append(b.slowdown, f.Factor)
		}
		b.slow = 1
		for _, factor := range b.slowdown {
			b.slow = float64(b.slow * factor)
		}
	case "delete-function":
		existed := b.fn
		e.deleting = existed
		_, err := e.core.Delete(b.name)
		e.deleting = nil
		if (err == nil) != (existed != nil) {
			e.fail("delete-function", "%s: existed %v, core says %v", b.name, existed != nil, err)
		}
		b.fn, b.warm = nil, b.warm[:0]
		if b.fleet != nil {
			b.fleet.close()
		}
	case "create-function":
		existed := b.fn != nil
		_, err := e.core.Register(b.spec)
		if errors.Is(err, core.ErrExists) != existed {
			e.fail("create-function", "%s: existed %v, core says %v", b.name, existed, err)
		}
	case "provider-outage":
		b.fleet.outage(s.end)
	case "reconfigure":
		e.reconfigure(b, f)
	}
}

func (e *engine) reconfigure(b *backend, f *scenario.Fault) {
	var size, concurrency *int
	if f.QueueSize > 0 {
		size = &f.QueueSize
	}
	if f.Concurrency > 0 {
		concurrency = &f.Concurrency
	}
	e.pending = f
	err := e.core.Reconfigure(b.name, size, concurrency)
	e.pending = nil
	if (err == nil) != (b.fn != nil) {
		e.fail("reconfigure", "%s: exists %v, core says %v", b.name, b.fn != nil, err)
	}
}
