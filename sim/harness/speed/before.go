package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"simplane/bench/page"
)

// versus is a case run by two binaries, an earlier one and the present one, in turns.
type versus struct {
	*kase
	executions  int64
	before, now []float64 // seconds of the processor in each round
}

// mostCopies are functions that an earlier binary has the memory for.
const mostCopies = 10_000

// compareAll runs the scenario of each case by `sim run` of both binaries, and says what
// each took. The binaries must print the same digest: only then they did the same work.
func compareAll(p *plan) (t page.Table, err error) {
	dir, err := os.MkdirTemp("", "simspeed")
	if err != nil {
		return t, err
	}
	defer os.RemoveAll(dir)
	t.Head = []string{"case", "executions", "rounds", "M/s before", "M/s now", "now/before", "least", "most"}
	for i := range cases {
		c := &cases[i]
		if c.copies == 0 || c.copies > mostCopies || c.most == 1 || !p.has(c) {
			continue
		}
		v := versus{kase: c, executions: p.of(c)}
		if err := v.measure(filepath.Join(dir, c.name+".yaml"), p.before, p.now, p.runs); err != nil {
			return t, fmt.Errorf("%s: %w", c.name, err)
		}
		t.Rows = append(t.Rows, v.row())
		fmt.Fprintln(os.Stderr, strings.Join(v.row(), "  "))
	}
	return t, nil
}

func (v *versus) measure(file, before, now string, rounds int) error {
	if err := os.WriteFile(file, scenarioText(v.copies, v.slots, v.executions), 0o600); err != nil {
		return err
	}
	for round := range rounds {
		first, second := before, now
		if round%2 == 1 {
			first, second = now, before
		}
		a, digestA, err := simRun(first, file)
		if err != nil {
			return err
		}
		b, digestB, err := simRun(second, file)
		switch {
		case err != nil:
			return err
		case digestA != digestB:
			return fmt.Errorf("digest %s of %s, %s of %s: they did not do the same", digestA, first, digestB, second)
		}
		if round%2 == 1 {
			a, b = b, a
		}
		v.before, v.now = append(v.before, a), append(v.now, b)
	}
	return nil
}

// simRun is what a run of a scenario took, in seconds of the processor, and its digest.
func simRun(binary, file string) (seconds float64, digest string, err error) {
	cmd := exec.Command(binary, "sim", "run", file)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, "", fmt.Errorf("%s: %w", binary, err)
	}
	_, after, ok := strings.Cut(string(out), "digest ")
	if !ok {
		return 0, "", fmt.Errorf("%s printed no digest", binary)
	}
	digest = strings.Fields(after)[0]
	return cmd.ProcessState.UserTime().Seconds() + cmd.ProcessState.SystemTime().Seconds(), digest, nil
}

// row says how many times as many executions a second the present binary makes: the
// median of the rounds, and the least and the most of them.
func (v *versus) row() []string {
	ratios := make([]float64, len(v.now))
	for i := range ratios {
		ratios[i] = v.before[i] / v.now[i]
	}
	slices.Sort(ratios)
	rate := func(seconds []float64) string {
		return fmt.Sprintf("%.2f", float64(v.executions)/median(seconds)/1e6)
	}
	return []string{
		v.name, fmt.Sprint(v.executions), fmt.Sprint(len(ratios)), rate(v.before), rate(v.now),
		fmt.Sprintf("%.2f", median(ratios)), fmt.Sprintf("%.2f", ratios[0]), fmt.Sprintf("%.2f", ratios[len(ratios)-1]),
	}
}
