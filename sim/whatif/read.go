// Package whatif turns a recording into a scenario with its exact arrivals and
// the attempts as they went, and says what callers would have seen with other
// settings.
package whatif

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"simplane/core"
	"simplane/core/recording"
	"simplane/sim/history"
)

// Options say which part of a recording is taken.
type Options struct {
	Function    string        // the only one; "" = all
	From, Until time.Duration // since the recording's first step; Until 0 = its end
	Bins        int           // for plots
}

// Read tells what became of a recording's calls. The error says that there is
// nothing in that part.
func Read(rec *recording.Recording, o Options) (*history.History, error) {
	first, last := int64(0), int64(0)
	for i := range rec.Steps {
		if s := &rec.Steps[i]; s.Kind != core.StepMore && s.Kind != core.StepKey {
			if first == 0 || s.Mono < first {
				first = s.Mono
			}
			last = max(last, s.Mono)
		}
	}
	whole := history.Options{From: first + int64(o.From), Until: last + 1, StaleTTL: rec.Header.Config.StaleTTL, Bins: o.Bins}
	if o.Until > 0 {
		whole.Until = min(whole.Until, first+int64(o.Until))
	}
	if len(rec.Steps) == 0 || whole.From >= whole.Until {
		return nil, fmt.Errorf("nothing is recorded from %v to %v: the recording has %d records in %v", o.From, o.Until, len(rec.Steps), time.Duration(last-first))
	}
	h := history.New(whole)
	feed(h, rec)
	h.Close()
	if o.Function != "" {
		f := h.Find(o.Function)
		if f == nil {
			return nil, fmt.Errorf("the recording has no function %q", o.Function)
		}
		h.Functions = []*history.Function{f}
	}
	return h, nil
}

// feed hands a recording on in the order of each function's steps, with the
// states behind the steps that they were recorded with.
func feed(h *history.History, rec *recording.Recording) {
	type place struct {
		domain uint32
		at     int
	}
	steps := make([]place, 0, len(rec.Steps))
	first := map[uint32]uint32{}
	for i := range rec.Steps {
		s := &rec.Steps[i]
		if s.Seq == 0 { // a refusal, which has no place in the order
			h.Step(*s)
			continue
		}
		steps = append(steps, place{s.Domain, i})
		if _, known := first[s.Domain]; !known {
			first[s.Domain] = s.Seq
		}
	}
	// The numbers wrap.
	after := func(p place) int32 { return int32(rec.Steps[p.at].Seq - first[p.domain]) }
	slices.SortStableFunc(steps, func(a, b place) int {
		if a.domain != b.domain {
			return cmp.Compare(a.domain, b.domain)
		}
		return cmp.Compare(after(a), after(b))
	})
	bases := map[uint32][]*core.Base{}
	for _, b := range rec.Bases {
		bases[b.Domain] = append(bases[b.Domain], b)
	}
	for d, of := range bases {
		slices.SortStableFunc(of, func(a, b *core.Base) int { return cmp.Compare(int32(a.Seq-first[d]), int32(b.Seq-first[d])) })
	}
	told := func(domain uint32, upTo func(*core.Base) bool) {
		of := bases[domain]
		for len(of) > 0 && upTo(of[0]) {
			h.Base(of[0])
			of = of[1:]
		}
		bases[domain] = of
	}
	for _, p := range steps {
		s := rec.Steps[p.at]
		if s.Kind != core.StepMore {
			told(s.Domain, func(b *core.Base) bool { return int32(b.Seq-s.Seq) < 0 })
		}
		h.Step(s)
	}
	for _, d := range slices.Sorted(maps.Keys(bases)) {
		told(d, func(*core.Base) bool { return true })
	}
}
