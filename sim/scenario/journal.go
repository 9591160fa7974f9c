package scenario

import "strings"

// OfDisk says that the fault is the journal's disk's.
func (f *Fault) OfDisk() bool { return strings.HasPrefix(f.Kind, "disk-") }

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
	for i := range s.Functions {
		if f := &s.Functions[i]; f.Scaled() && s.Core.Journal.Enabled {
			p.Add(f.Line, "functions[%d]: the simulated provider of a scaled function does not outlive crashes; remove scaling, or the journal", i)
		}
	}
}
