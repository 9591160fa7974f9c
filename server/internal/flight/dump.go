package flight

import (
	"errors"
	"io"
	"slices"

	"simplane/core"
	"simplane/core/recording"
)

// ErrOff says that there is nothing to dump.
var ErrOff = errors.New("the flight recorder is off; --flight-recorder-bytes switches it on")

// Dump writes what the rings have as a recording. One ring after the other is
// copied under its lock, so that no function waits longer than for one; of each
// function the steps are without a gap, and up to one moment.
func (r *Recorder) Dump(to io.Writer, why string) error {
	if r == nil || r.o.Bytes == 0 {
		return ErrOff
	}
	w, err := recording.NewWriter(to, r.o.Header(why))
	if err != nil {
		return err
	}
	var steps []core.Step
	var bases []*core.Base
	for i := range r.rings {
		steps, bases = r.rings[i].copy(steps[:0], bases[:0])
		for _, b := range bases {
			if err := w.Base(b); err != nil && !errors.Is(err, recording.ErrBaseTooLarge) {
				return err
			}
		}
		if err := w.Steps(steps); err != nil {
			return err
		}
	}
	r.counts.dumpsMade.Add(1)
	return w.Close("")
}

// copy appends what the ring has: its steps in their order, and the bases from
// which they, or those to come, can be replayed.
func (g *ring) copy(steps []core.Step, bases []*core.Base) ([]core.Step, []*core.Base) {
	g.mu.Lock()
	if g.total >= uint64(len(g.steps)) {
		steps = append(steps, g.steps[g.at:]...)
	}
	steps = append(steps, g.steps[:g.at]...)
	for _, h := range g.bases {
		bases = append(bases, h.base)
	}
	g.mu.Unlock()
	steps = settled(steps, bases)
	first := map[uint32]uint32{} // the oldest step of each function
	for i := range steps {
		if s := &steps[i]; s.Seq != 0 {
			if _, known := first[s.Domain]; !known {
				first[s.Domain] = s.Seq
			}
		}
	}
	newest := map[uint32]uint32{} // whole base of a function without steps here
	for _, b := range bases {
		if _, has := first[b.Domain]; !has && b.Whole {
			if seq, known := newest[b.Domain]; !known || int32(b.Seq-seq) > 0 {
				newest[b.Domain] = b.Seq
			}
		}
	}
	bases = slices.DeleteFunc(bases, func(b *core.Base) bool {
		if from, has := first[b.Domain]; has {
			return int32(b.Seq-from) < -1 // between it and the first step some are missing
		}
		return !b.Whole || b.Seq != newest[b.Domain]
	})
	slices.SortFunc(bases, func(a, b *core.Base) int {
		if a.Domain != b.Domain {
			return int(int64(a.Domain) - int64(b.Domain))
		}
		return int(int32(a.Seq - b.Seq))
	})
	return steps, bases
}

// settled is steps without the last one of a function of which not all has come
// yet: its further records, or the base that goes with it. The ring's lock is free
// between those.
func settled(steps []core.Step, bases []*core.Base) []core.Step {
	more, done, from := map[uint32]int{}, map[uint32]bool{}, map[uint32]uint32{}
	for i := len(steps) - 1; i >= 0; i-- {
		s := &steps[i]
		switch {
		case s.Seq == 0 || done[s.Domain]:
		case s.Kind == core.StepMore:
			more[s.Domain]++
		default:
			done[s.Domain] = true
			if more[s.Domain] != int(s.More) || s.NeedsBase() && !based(bases, s) {
				from[s.Domain] = s.Seq
			}
		}
	}
	if len(from) == 0 {
		return steps
	}
	return slices.DeleteFunc(steps, func(s core.Step) bool {
		first, cut := from[s.Domain]
		return cut && s.Seq != 0 && int32(s.Seq-first) >= 0
	})
}

// based says that the base that goes with a step is here.
func based(bases []*core.Base, s *core.Step) bool {
	return slices.ContainsFunc(bases, func(b *core.Base) bool { return b.Domain == s.Domain && b.Seq == s.Seq+uint32(s.More) })
}
