package scenario

import (
	"slices"
	"strings"
)

// OfDisk says that the fault is the journal's disk's.
func (f *Fault) OfDisk() bool { return strings.HasPrefix(f.Kind, "disk-") }

// checkDrain reports drains that nothing follows. A process that drains leaves durable work to the next one: without one it never ends.
func (s *Scenario) checkDrain(p *problems) {
	for i := range s.Faults {
		f := &s.Faults[i]
		if f.Kind == "drain" && s.Core.Journal.Enabled && !slices.ContainsFunc(s.Faults, func(next Fault) bool { return next.Kind == "crash" && next.At > f.At }) {
			p.Add(f.Line, "faults[%d]: a process that drains leaves durable work to the next one; add a crash after it", i)
		}
	}
}

// checkJournal reports what does not go with the journal, crashes without one,
// which would leave nothing to look at, and its disk's faults.
func (s *Scenario) checkJournal(p *problems) {
	for i := range s.Faults {
		switch f := &s.Faults[i]; {
		case s.Core.Journal.Enabled:
		case f.Kind == "crash":
			p.Add(f.Line, "faults[%d]: a crash needs a journal to start again from; add core: {journal: {enabled: true}}", i)
		case f.OfDisk():
			p.Add(f.Line, "faults[%d]: %s is a fault of the journal's disk; add core: {journal: {enabled: true}}", i, f.Kind)
		}
	}
	if d, def := &s.Core.DeadLetters, New().Core.DeadLetters; s.Core.Journal.Enabled && (d.Max < 0 || d.MaxBytes != def.MaxBytes || d.TTL != def.TTL) {
		p.Add(1, "core.deadLetters: with a journal the checker follows a positive max only; remove maxBytes and ttl")
	}
	s.checkDrain(p)
	for i := range s.Functions {
		if f := &s.Functions[i]; f.Scaled() && s.Core.Journal.Enabled {
			p.Add(f.Line, "functions[%d]: the simulated provider of a scaled function does not outlive crashes; remove scaling, or the journal", i)
		}
	}
}
