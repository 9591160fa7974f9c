// Command speed measures how many executions the simulator replays in a second of
// processor time, with every invariant checked, and how much memory that takes,
// beside a bare loop of a heap and random numbers, which is what any simulation of
// events costs.
//
//	go run ./sim/harness/speed [-cases plain,functions-10k] [-executions N] [-html FILE] [-before BINARY]
//
// Each case runs in a process of its own, on one processor. With -before an earlier
// simplane binary runs the same scenarios, in turns with the present one: rates of
// different machines say little, ratios of one run do.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"text/tabwriter"

	"simplane/bench/page"
	"simplane/sim"
	"simplane/sim/scenario"
)

func main() {
	names := flag.String("cases", "", "only these, with commas; all by default")
	executions := flag.Int64("executions", 0, "of each case; its own number by default")
	runs := flag.Int("runs", 3, "of each case; the median of their processor times is shown")
	one := flag.String("one", "", "run this case, or scenario file, in this process, and print its figures as JSON")
	memory := flag.String("memprofile", "", "with -one: write a profile of all that was allocated into this file")
	profile := flag.String("cpuprofile", "", "with -one: write a profile into this file")
	html := flag.String("html", "", "write a page into this file")
	before := flag.String("before", "", "an earlier simplane binary, to run the same scenarios in turns with -now")
	now := flag.String("now", "bin/simplane", "the binary that -before is held against")
	flag.Parse()
	var err error
	if *one != "" {
		err = runOne(*one, *executions, *profile, *memory)
	} else {
		err = runAll(&plan{names: *names, executions: *executions, runs: *runs, html: *html, before: *before, now: *now})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func find(name string) (*kase, error) {
	if strings.HasSuffix(name, ".yaml") {
		return &kase{name: name, run: func(int64) (figures, error) {
			sc, err := scenario.ReadFile(name)
			if err != nil {
				return figures{}, err
			}
			return replay(sc, sim.Options{})
		}}, nil
	}
	var known []string
	for i := range cases {
		if cases[i].name == name {
			return &cases[i], nil
		}
		known = append(known, cases[i].name)
	}
	return nil, fmt.Errorf("no case %q; there are %s", name, strings.Join(known, ", "))
}

func runOne(name string, executions int64, profile, memory string) error {
	runtime.GOMAXPROCS(1)
	sim.LargePages() // as simplane sim does
	c, err := find(name)
	if err != nil {
		return err
	}
	if executions == 0 {
		executions = c.executions
	}
	if profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	if c.run == nil {
		return fmt.Errorf("%s is a Python program; leave -one out", name)
	}
	did, err := c.run(executions)
	if err != nil {
		return err
	}
	if memory != "" {
		f, err := os.Create(memory)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.Lookup("heap").WriteTo(f, 0); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(did)
}

// plan is what to measure.
type plan struct {
	names       string // of cases, with commas; "" = all
	executions  int64  // of each; 0 = its own number
	runs        int
	html        string // "" = no page
	before, now string // binaries; before may be ""
}

func (p *plan) has(c *kase) bool {
	return p.names == "" || slices.Contains(strings.Split(p.names, ","), c.name)
}

func (p *plan) of(c *kase) int64 {
	if p.executions > 0 {
		return p.executions
	}
	return c.executions
}

// runAll shows each case's medians, and how it is to an earlier binary.
func runAll(p *plan) error {
	all, err := measureAll(p)
	if err != nil {
		return err
	}
	tables := []page.Table{table(all)}
	if p.before != "" {
		t, err := compareAll(p)
		if err != nil {
			return err
		}
		tables = append(tables, t)
	}
	for _, t := range tables {
		if err := show(&t); err != nil {
			return err
		}
	}
	if p.html == "" {
		return nil
	}
	return writePage(p.html, tables)
}

func measureAll(p *plan) ([]measured, error) {
	var all []measured
	for i := range cases {
		c := &cases[i]
		if !p.has(c) {
			continue
		}
		if c.python != "" && pythonWithSimPy() == "" {
			fmt.Fprintf(os.Stderr, "%s: NOT MEASURED: no Python here has SimPy (Debian: python3-simpy3)\n", c.name)
			continue
		}
		m := measured{kase: c}
		for range max(1, min(p.runs, c.most)) {
			f, err := inChild(c, p.of(c))
			if err != nil {
				return nil, err
			}
			m.runs = append(m.runs, f)
		}
		all = append(all, m)
		fmt.Fprintf(os.Stderr, "%s: %.2f M/s\n", c.name, m.rate()/1e6)
	}
	if len(all) == 0 {
		return nil, errors.New("no such case")
	}
	return all, nil
}

func show(t *page.Table) error {
	w := tabwriter.NewWriter(os.Stdout, 2, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range append([][]string{t.Head}, t.Rows...) {
		fmt.Fprintf(w, "%s\t\n", strings.Join(row, "\t"))
	}
	return w.Flush()
}

// pythonWithSimPy is a Python that has SimPy; "" if there is none.
func pythonWithSimPy() string {
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-c", "import simpy; simpy.Environment").Run() == nil {
			return python
		}
	}
	return ""
}

func inChild(c *kase, executions int64) (f figures, err error) {
	self, err := os.Executable()
	if err != nil {
		return f, err
	}
	cmd := exec.Command(self, "-one", c.name, "-executions", fmt.Sprint(executions))
	if c.python != "" {
		cmd = exec.Command(pythonWithSimPy(), "-c", c.python, fmt.Sprint(executions))
	}
	cmd.Env = append(os.Environ(), "GOGC=300", "GOMEMLIMIT=3GiB", "GOMAXPROCS=1") // as `simplane sim` has them
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return f, fmt.Errorf("%s: %w", c.name, err)
	}
	if err := json.Unmarshal(out, &f); err != nil {
		return f, err
	}
	f.User, f.System = cmd.ProcessState.UserTime().Seconds(), cmd.ProcessState.SystemTime().Seconds()
	f.Memory = mostMemory(cmd.ProcessState)
	return f, nil
}
