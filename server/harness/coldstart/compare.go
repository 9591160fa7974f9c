package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"simplane/bench/ratio"
	"simplane/server/provider"
	"simplane/server/provider/process"
)

// warmUp rounds come before those that count: the files are read from disk,
// the guard process is started.
const warmUp = 5

var (
	input  = json.RawMessage(`{"number":2026}`)
	output = `{"roman":"MMXXVI"}`
)

type result struct {
	name           string
	bare, provider []time.Duration
	estimate       ratio.Estimate
	ratios         []float64
}

// compare starts s in turns: bare first in every second round.
func compare(ctx context.Context, s subject, rounds int, pause time.Duration) (*result, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	p := process.New(process.Options{WorkDir: dir, CgroupRoot: process.CgroupAuto})
	defer func() { p.Close(context.Background()) }()
	r := &result{name: s.name}
	for i := range rounds + warmUp {
		var took [2]time.Duration
		for turn := range took {
			time.Sleep(pause)
			which := (turn + i) % 2
			if which == 0 {
				took[0], err = bare(s, dir)
			} else {
				if s.first {
					p.Close(ctx)
					p = process.New(process.Options{WorkDir: dir, CgroupRoot: process.CgroupAuto})
				}
				took[1], err = provided(ctx, p, s)
			}
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return nil, err
			}
		}
		if i >= warmUp {
			r.bare, r.provider = append(r.bare, took[0]), append(r.provider, took[1])
			r.ratios = append(r.ratios, float64(took[1])/float64(took[0]))
		}
	}
	r.estimate, err = ratio.Paired(seconds(r.provider), seconds(r.bare), 0.95)
	return r, err
}

// provided is one cold start through the provider: the invocation of a function
// that has no instance.
func provided(ctx context.Context, p *process.Provider, s subject) (time.Duration, error) {
	const name = "cold"
	d := provider.Deployment{Name: name, RuntimeMode: s.mode, Commands: s.command}
	if err := p.Provision(ctx, d); err != nil {
		return 0, err
	}
	began := time.Now()
	r := p.Invoke(ctx, name, provider.Invocation{ExecutionID: "e", Input: input})
	took := time.Since(began)
	if !r.OK() || compact(r.Output) != output || !r.ColdStart {
		return 0, fmt.Errorf("through the provider: output %s, cold start %v, %s %s", r.Output, r.ColdStart, r.ErrorCode, r.ErrorMessage)
	}
	return took, p.Deprovision(ctx, name) // returns when the process is gone
}

// compact drops the blanks that some languages write into JSON.
func compact(raw []byte) string { return strings.ReplaceAll(string(raw), " ", "") }

func seconds(all []time.Duration) []float64 {
	s := make([]float64, len(all))
	for i, d := range all {
		s[i] = d.Seconds()
	}
	return s
}

func median[T time.Duration | float64](all []T) T {
	all = slices.Clone(all)
	slices.Sort(all)
	return all[len(all)/2]
}

// share is how much of a cold start through the provider is the provider's.
func (r *result) share() float64 { return 1 - 1/median(r.ratios) }

func (r *result) String() string {
	ms := func(d []time.Duration) float64 { return float64(median(d)) / float64(time.Millisecond) }
	return fmt.Sprintf("| %s | %.2f | %.2f | %.3f (%.3f to %.3f) | %.3f | %.1f %% |", r.name, ms(r.bare), ms(r.provider),
		r.estimate.Ratio, r.estimate.Low, r.estimate.High, median(r.ratios), 100*r.share())
}
