// Command speed measures how many executions the simulator replays in a second of
// processor time, with every invariant checked, and how much memory that takes,
// beside a bare loop of a heap and random numbers, which is what any simulation of
// events costs.
//
//	go run ./sim/harness/speed [-cases plain,many-functions] [-executions N] [-html FILE]
//
// Each case runs in a process of its own, on one processor.
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
	flag.Parse()
	var err error
	if *one != "" {
		err = runOne(*one, *executions, *profile, *memory)
	} else {
		err = runAll(*names, *executions, *runs, *html)
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

// runAll shows each case's medians.
func runAll(names string, executions int64, runs int, html string) error {
	var all []measured
	for i := range cases {
		c := &cases[i]
		if names != "" && !slices.Contains(strings.Split(names, ","), c.name) {
			continue
		}
		if c.python != "" && pythonWithSimPy() == "" {
			fmt.Fprintf(os.Stderr, "%s: NOT MEASURED: no Python here has SimPy (Debian: python3-simpy3)\n", c.name)
			continue
		}
		m := measured{kase: c}
		for range max(1, min(runs, c.most)) {
			f, err := inChild(c, executions)
			if err != nil {
				return err
			}
			m.runs = append(m.runs, f)
		}
		all = append(all, m)
		fmt.Fprintf(os.Stderr, "%s: %.2f M/s\n", c.name, m.rate()/1e6)
	}
	if len(all) == 0 {
		return errors.New("no such case")
	}
	t := tabwriter.NewWriter(os.Stdout, 2, 0, 2, ' ', tabwriter.AlignRight)
	head, rows := table(all)
	for _, row := range append([][]string{head}, rows...) {
		fmt.Fprintf(t, "%s\t\n", strings.Join(row, "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if html == "" {
		return nil
	}
	return writePage(html, head, rows)
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
	if executions == 0 {
		executions = c.executions
	}
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
