// Command check says which invariant a core breaks first: in the swarm's random
// scenarios, then in those of a directory; with true as the second argument in those
// with several nodes. It prints a line
//
//	invariant<TAB>NAME<TAB>WHERE
//
// and exits with 1. A core that breaks none may still miss what a scenario expects, or
// differ in a digest of golden.txt: that is printed in the same way, as "expectation" or
// "digest", but counts as not noticed. It exits with 0 when nothing differs.
//
// With quick as the third argument it only tries the first 150 seeds. With shrink it only
// tries seeds, and makes the scenario of the
// first that breaks an invariant smaller; WHERE has the seed, its lines before and after
// and the runs that this took.
package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"simplane/sim"
	"simplane/sim/scenario"
	"simplane/sim/swarm"
)

var nodes bool

func main() {
	nodes = os.Args[2] == "true"
	look := look
	if len(os.Args) > 3 {
		look = map[string]func(string) (string, error){"": look, "shrink": shrink, "quick": quick}[os.Args[3]]
	}
	found, err := look(os.Args[1])
	switch {
	case err != nil:
		fmt.Println(err)
		os.Exit(2)
	case found != "":
		fmt.Println(found)
		os.Exit(1)
	}
}

// look returns the first thing found, "" for nothing.
func look(dir string) (found string, err error) {
	if nodes { // which take longer
		weak, err := scenarios(dir, &found)
		if found != "" || err != nil {
			return found, err
		}
		found, err = seeds(1, 400, 20*time.Second)
		return cmp.Or(found, weak), err
	}
	if found, err = seeds(1, 150, 20*time.Second); found != "" || err != nil {
		return found, err
	}
	weak, err := scenarios(dir, &found)
	if found != "" || err != nil {
		return found, err
	}
	if found, err = seeds(1001, 500, 30*time.Second); found != "" || err != nil {
		return found, err
	}
	return weak, nil
}

// quick tries few random scenarios alone: what it does not find others may.
func quick(string) (string, error) { return seeds(1, 150, 20*time.Second) }

// seeds tries random scenarios.
func seeds(first uint64, n int, d time.Duration) (string, error) {
	sum, err := swarm.Run(swarm.Options{Start: first, Seeds: n, Duration: d, First: true, Nodes: nodes})
	if err != nil || len(sum.Failures) == 0 {
		return "", err
	}
	f := &sum.Failures[0]
	return line("invariant", f.Violation.Invariant, fmt.Sprintf("seed %d", f.Seed)), nil
}

// shrink makes the scenario of the first seed that breaks an invariant smaller.
func shrink(string) (string, error) {
	sum, err := swarm.Run(swarm.Options{Start: 1, Seeds: 400, Duration: 20 * time.Second, First: true, Nodes: nodes})
	if err != nil || len(sum.Failures) == 0 {
		return "", err
	}
	f := &sum.Failures[0]
	s := swarm.Shrink(f.Minimal, f.Violation, swarm.ShrinkOptions{Handled: f.Handled})
	lines := func(sc *scenario.Scenario) int { return bytes.Count(scenario.Marshal(sc, ""), []byte("\n")) }
	return line("invariant", f.Violation.Invariant, fmt.Sprintf("seed %d | %d | %d | %d", f.Seed, lines(f.Minimal), lines(s.Scenario), s.Runs)), nil
}

func line(what, name, where string) string {
	return strings.Join([]string{what, strings.ReplaceAll(name, "\n", " "), where}, "\t")
}

// scenarios runs those of a directory. broken is the first invariant that one breaks;
// weak is what counts as not noticed.
func scenarios(dir string, broken *string) (weak string, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		return "", fmt.Errorf("no scenarios in %s: %v", dir, err)
	}
	golden, err := sim.ReadGolden(filepath.Join(dir, "golden.txt"))
	if err != nil {
		return "", err
	}
	for _, file := range files {
		sc, err := scenario.ReadFile(file)
		if err != nil {
			return "", err
		}
		if nodes && sc.Nodes == 0 {
			continue
		}
		r, err := sim.Run(sc, sim.Options{})
		if err != nil {
			return "", err
		}
		if r.Violation != nil {
			*broken = line("invariant", r.Violation.Invariant, "scenario "+sc.Name)
			return "", nil
		}
		for _, c := range r.Checks {
			if !c.Holds {
				weak = line("expectation", c.Check, "scenario "+sc.Name)
			}
		}
		if g, ok := golden[sc.Name]; ok && g.Digest != r.Digest && weak == "" {
			weak = line("digest", "golden.txt", "scenario "+sc.Name)
		}
	}
	return weak, nil
}
