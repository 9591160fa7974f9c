package core

import (
	"cmp"
	"slices"
	"sync"
	"testing"
)

// tape is a Recorder that keeps everything.
type tape struct {
	mu    sync.Mutex
	steps []Step
	bases []*Base
}

func (t *tape) Step(s Step) {
	t.mu.Lock()
	t.steps = append(t.steps, s)
	t.mu.Unlock()
}

func (t *tape) Base(b *Base) {
	t.mu.Lock()
	t.bases = append(t.bases, b)
	t.mu.Unlock()
}

// track is what is recorded of one function, in its order.
type track struct {
	steps [][]Step // with their further records
	bases map[uint32]*Base
	first []*Base // whole ones, in order
}

func (t *tape) tracks() map[uint32]*track {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make(map[uint32]*track)
	of := func(domain uint32) *track {
		if all[domain] == nil {
			all[domain] = &track{bases: make(map[uint32]*Base)}
		}
		return all[domain]
	}
	for _, b := range t.bases {
		tr := of(b.Domain)
		tr.bases[b.Seq] = b
		if b.Whole {
			tr.first = append(tr.first, b)
		}
	}
	byDomain := make(map[uint32][]Step)
	for _, s := range t.steps {
		if s.Seq > 0 {
			byDomain[s.Domain] = append(byDomain[s.Domain], s)
		}
	}
	for domain, steps := range byDomain {
		slices.SortFunc(steps, func(a, b Step) int { return cmp.Compare(a.Seq, b.Seq) })
		tr := of(domain)
		for len(steps) > 0 {
			n := 1 + int(steps[0].More)
			tr.steps = append(tr.steps, steps[:n])
			steps = steps[n:]
		}
	}
	for _, tr := range all {
		slices.SortFunc(tr.first, func(a, b *Base) int { return cmp.Compare(a.Seq, b.Seq) })
	}
	return all
}

// replay takes the steps behind a base again and returns how many there were, and
// how many were not verified. It ends at the first other one.
func (tr *track) replay(cfg ReplayConfig, from *Base) (n, unverified int, bad *Verdict, at []Step) {
	r, err := NewReplay(cfg, from)
	if err != nil {
		return 0, 0, &Verdict{Result: ReplayUnusable, Why: err.Error()}, nil
	}
	for _, s := range tr.steps {
		if s[0].Seq <= from.Seq {
			continue
		}
		switch v := r.Next(s, tr.bases[s[len(s)-1].Seq]); v.Result {
		case ReplayIdentical:
		case ReplayUnverified:
			unverified++
		default:
			return n, unverified, &v, s
		}
		if n++; from.Seq == 0 && n < 20_000 && n%3 == 0 && s[0].Depth()+s[0].Running() < 64 {
			if why := takenOver(cfg, r); why != "" {
				return n, unverified, &Verdict{Result: ReplayDiverged, Why: "a Base does not bring over " + why}, s
			}
		}
	}
	return n, unverified, nil, nil
}

// replays checks that all that is recorded is decided in the same way again, from
// the beginning and from some of the later bases.
func (t *tape) replays(c checker, cfg Config) (steps int) {
	c.Helper()
	t.mu.Lock()
	var rates RateReplay
	for i := range t.steps {
		if err := rates.Next(&t.steps[i]); err != nil {
			t.mu.Unlock()
			c.Fatal(err)
		}
		if s := &t.steps[i]; s.Kind == StepRefuse && !s.Holds() {
			is, bound := s.Compared()
			t.mu.Unlock()
			c.Fatalf("refusal %s of %d and %d does not hold", s.Reason(), is, bound)
		}
	}
	t.mu.Unlock()
	for domain, tr := range t.tracks() {
		if _, ok := KeyDomain(domain); ok {
			steps += tr.replayKeys(c, cfg.ForReplay(), domain)
			continue
		}
		for i, from := range tr.first {
			if i%max(1, len(tr.first)/5) != 0 {
				continue
			}
			n, unverified, bad, at := tr.replay(cfg.ForReplay(), from)
			if bad != nil {
				c.Fatalf("function %d, from %d, after %d steps: %v %v: %s\nrecorded %+v\nnow      %+v", domain, from.Seq, n, at[0].Kind, bad.Result, bad.Why, at, bad.Again)
			}
			if i == 0 {
				steps += n
			}
			if from.Seq == 0 && cfg.Journal == nil && unverified > n/2 {
				c.Fatalf("function %d: %d of %d steps are not verified", domain, unverified, n)
			}
		}
	}
	return steps
}

// replayKeys is replay of a shard of idempotency keys.
func (tr *track) replayKeys(c checker, cfg ReplayConfig, domain uint32) int {
	c.Helper()
	r, err := NewKeyReplay(cfg, domain)
	if err != nil {
		c.Fatal(err)
	}
	for _, s := range tr.steps {
		if v := r.Next(&s[0]); v.Result != ReplayIdentical {
			c.Fatalf("keys %#x: %v: %s\nrecorded %+v\nnow      %+v", domain, v.Result, v.Why, s, v.Again)
		}
	}
	return len(tr.steps)
}

// recorded has what a Core of cfg does recorded, and replayed at the test's end.
func recorded(c checker, cfg *Config) *tape {
	t := &tape{}
	cfg.Recorder = t
	c.Cleanup(func() {
		if tt, ok := c.(*testing.T); ok && tt.Failed() {
			return
		}
		full := *cfg
		if full.complete() == nil {
			t.replays(c, full)
		}
	})
	return t
}

// unrecorded is for tests that change a function past its steps.
func unrecorded(cfg *Config) { cfg.Recorder = noTape{} }

type noTape struct{}

func (noTape) Step(Step)  {}
func (noTape) Base(*Base) {}

// recordedConfig is cfg with what recorded does.
func recordedConfig(c checker, cfg Config) Config {
	recorded(c, &cfg)
	return cfg
}
