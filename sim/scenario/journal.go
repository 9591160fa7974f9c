package scenario

// checkJournal reports what does not go with the journal, and crashes without
// one: they would leave nothing to look at.
func (s *Scenario) checkJournal(p *problems) {
	for i := range s.Faults {
		if f := &s.Faults[i]; f.Kind == "crash" && !s.Core.Journal.Enabled {
			p.Add(f.Line, "faults[%d]: a crash needs a journal to start again from; add core: {journal: {enabled: true}}", i)
		}
	}
	for i := range s.Functions {
		if f := &s.Functions[i]; f.Scaled() && s.Core.Journal.Enabled {
			p.Add(f.Line, "functions[%d]: the simulated provider of a scaled function does not outlive crashes; remove scaling, or the journal", i)
		}
	}
}
