// Command mutants shows that the simulator notices bugs. It applies each
// deliberate bug of the lists to a temporary copy of the module, builds the
// check program against it, and reports which of the simulator's invariants it breaks,
// and where. A bug that only a digest or a scenario's own expectation shows counts as
// alive.
//
//	go run ./sim/harness/mutants [-only WORD] [-from N] [-count N] [-timeout 3m] [-check] [-shrink] [-quick]
//
// A build has nearly all of them in it (together.go), and each takes no longer than it needs to
// be noticed. Run it from the module's root. It exits 1 when a bug is alive that alive.go does not name, and 2
// when one no longer applies to core. With -check it tries none, and says only
// which of them do not apply.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// how is what the check program is told beside: shrink, quick or nothing.
var how string

func main() {
	only := flag.String("only", "", "only mutants whose name contains `WORD`, or one of several with | between them")
	limit := flag.Duration("timeout", 3*time.Minute, "what a mutant may take to be noticed")
	from := flag.Int("from", 0, "leave out the first `N`")
	count := flag.Int("count", 1<<30, "try `N` at most")
	applies := flag.Bool("check", false, "say only which mutants do not apply to core")
	shrinks := flag.Bool("shrink", false, "try random scenarios alone, and say how small the first that notices a mutant can be made")
	quick := flag.Bool("quick", false, "try the first 150 random scenarios alone")
	flag.Parse()
	if *quick {
		how = "quick"
	}
	if *shrinks {
		how = "shrink"
	}
	code, err := run(*only, *from, *count, *limit, *applies)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		code = 2
	}
	os.Exit(code)
}

func run(only string, from, count int, limit time.Duration, applies bool) (int, error) {
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return 2, err
	}
	defer os.RemoveAll(dir)
	if err := copyModule(dir); err != nil {
		return 2, fmt.Errorf("%w (run it from the module's root)", err)
	}
	var chosen []mutant
	for _, m := range slices.Concat(mutants, moreMutants, againMutants, thirdMutants, fourthMutants, baseMutants, nodeMutants, interleaveMutants, serverMutants) {
		if slices.ContainsFunc(strings.Split(only, "|"), func(word string) bool { return strings.Contains(m.name, word) }) {
			chosen = append(chosen, m)
		}
	}
	chosen = chosen[min(from, len(chosen)):]
	chosen = chosen[:min(count, len(chosen))]
	ofServer := slices.ContainsFunc(chosen, func(m mutant) bool { return m.ofServer() })
	if ofServer {
		if err := copyServer(dir); err != nil {
			return 2, err
		}
	}
	if applies {
		return checkAll(dir, chosen)
	}
	if ofServer {
		if v, took, err := checkServer(dir, limit); err != nil || v.what != "" {
			return 2, fmt.Errorf("the server without any bug does not pass (%v): %v %v", took, v, err)
		}
	}
	together, err := plantTogether(dir, chosen)
	if err != nil {
		return 2, err
	}
	defer os.RemoveAll(together.dir)
	for _, nodes := range []bool{false, true} {
		if !slices.ContainsFunc(chosen, func(m mutant) bool { return m.ofNodes() == nodes && !m.interleaved() && !m.ofServer() }) {
			continue
		}
		if v, took, err := checkPlanted(together.binary, dir, 0, limit, nodes); err != nil || v.what != "" {
			return 2, fmt.Errorf("core without any bug does not pass (%v): %v %v", took, v, err)
		}
	}
	if slices.ContainsFunc(chosen, func(m mutant) bool { return m.interleaved() }) {
		if v, took, err := checkInterleavings(dir, limit); err != nil || v.what != "" {
			return 2, fmt.Errorf("core without any bug does not pass its interleavings (%v): %v %v", took, v, err)
		}
	}
	return tryAll(dir, together, chosen, limit), nil
}

// checkAll reports the mutants that do not apply.
func checkAll(dir string, chosen []mutant) (int, error) {
	stale := 0
	for _, m := range chosen {
		if _, _, err := find(dir, m); err != nil {
			stale++
			fmt.Printf("%s: %v\n", m.name, err)
		}
	}
	if stale > 0 {
		return 2, fmt.Errorf("%d of %d mutants have to be brought up to date in list.go", stale, len(chosen))
	}
	fmt.Printf("all %d mutants apply\n", len(chosen))
	return 0, nil
}

// tryAll prints a row for each mutant and returns the exit code: 1 when one breaks no
// invariant and is not in alive.
func tryAll(dir string, together planted, chosen []mutant, limit time.Duration) int {
	code, noticed, unexplained := 0, 0, 0
	if how == "shrink" {
		fmt.Println("| bug | noticed by the invariant | where | lines | made smaller | runs | seconds |\n|---|---|---|---|---|---|---|")
	} else {
		fmt.Println("| bug | noticed by the invariant | where | seconds |\n|---|---|---|---|")
	}
	for _, m := range chosen {
		var v verdict
		var took time.Duration
		n, built := together.numbers[m.name]
		var err error
		if built {
			v, took, err = checkPlanted(together.binary, dir, n, limit, m.ofNodes())
		} else {
			err = with(dir, m, func() (err error) {
				switch {
				case m.interleaved():
					v, took, err = checkInterleavings(dir, limit)
				case m.ofServer():
					v, took, err = checkServer(dir, limit)
				default:
					v, took, err = check(dir, limit, m.ofNodes())
				}
				return err
			})
		}
		switch {
		case err != nil:
			v, code = verdict{name: "COULD NOT BE TRIED: " + err.Error()}, 2
		case v.noticed():
			noticed++
		case alive[m.name] != "":
			v.name = "alive: " + alive[m.name]
		default:
			v.name = "ALIVE " + strings.TrimSpace(v.what+" "+v.name)
			unexplained++
		}
		fmt.Printf("| %s | %s | %s | %.1f |\n", m.name, strings.ReplaceAll(v.name, "|", "\\|"), v.where, took.Seconds())
	}
	fmt.Printf("\n%d of %d break an invariant; %d are alive for no reason in alive.go\n", noticed, len(chosen), unexplained)
	if unexplained > 0 {
		code = max(code, 1)
	}
	return code
}

// ofNodes says that scenarios with several nodes are to notice the bug.
func (m *mutant) ofNodes() bool { return strings.HasPrefix(m.name, "nodes: ") }

// verdict is what the check program has printed.
type verdict struct {
	what, name, where string // what: invariant, expectation or digest; "" = nothing
}

// noticed says that an invariant is broken. What only a scenario's expectation or a
// digest shows, somebody must have written down before: it counts as not noticed.
func (v *verdict) noticed() bool { return v.what == "invariant" }

// with applies a bug, calls do, and takes the bug back.
func with(dir string, m mutant, do func() error) (err error) {
	path, source, err := find(dir, m)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, bytes.Replace(source, []byte(m.old), []byte(m.new), 1), 0o644); err != nil {
		return err
	}
	defer func() {
		if e := os.WriteFile(path, source, 0o644); e != nil && err == nil {
			err = e
		}
	}()
	return do()
}

// find is the file of core in which a mutant's old text stands. The error is
// for a text that does not stand in core exactly once.
func find(dir string, m mutant) (path string, source []byte, err error) {
	dirs := []string{"core"}
	if m.ofServer() {
		dirs = serverDirs
	} else if m.ofNodes() {
		dirs = []string{"core/cluster", "sim/internal/nodes", "core"}
	}
	var files []string
	for _, in := range dirs {
		some, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(in), "*.go"))
		if err != nil {
			return "", nil, err
		}
		files = append(files, some...)
	}
	var places []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return "", nil, err
		}
		for range bytes.Count(text, []byte(m.old)) {
			places = append(places, filepath.Base(file))
			path, source = file, text
		}
	}
	if len(places) != 1 {
		return "", nil, fmt.Errorf("%q occurs %d times in core %v, not once", m.old, len(places), places)
	}
	return path, source, nil
}

// check builds the check program with one mutant and runs it. The time does not count building.
func check(dir string, limit time.Duration, nodes bool) (v verdict, took time.Duration, err error) {
	binary, err := buildCheck(dir)
	if err != nil {
		return v, 0, err
	}
	return checkPlanted(binary, dir, 0, limit, nodes)
}

// endless is the verdict on a run that has no end.
var endless = verdict{what: "invariant", name: "a run ends"}

// judged is what a run of the check program says.
func (t *trial) judged() (verdict, error) {
	var exit *exec.ExitError
	switch {
	case t.err == nil:
		return verdict{}, nil
	case t.endless:
		return endless, nil
	case errors.As(t.err, &exit) && exit.ExitCode() == 1:
		parts := strings.Split(strings.TrimSpace(string(t.stdout)), "\t")
		if len(parts) == 3 {
			return verdict{parts[0], parts[1], parts[2]}, nil
		}
	case bytes.Contains(t.stderr, []byte("panic: ")):
		return verdict{what: "invariant", name: "core does not panic"}, nil
	}
	return verdict{}, fmt.Errorf("check failed: %w: %s", t.err, t.stdout)
}

// copyModule copies what the check program needs: its packages and the
// scenarios.
func copyModule(dir string) error {
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	out, err := exec.Command("go", "list", "-tags", "interleave", "-deps", "-f", "{{if .Module}}{{if .Module.Main}}{{.ImportPath}}{{end}}{{end}}", "./sim/harness/mutants/check", "./sim/interleave").Output()
	if err != nil {
		return err
	}
	parts := []string{"scenarios"}
	for _, pkg := range strings.Fields(string(out)) {
		_, part, _ := strings.Cut(pkg, "/")
		parts = append(parts, filepath.FromSlash(part))
	}
	for _, part := range parts {
		if err := copyDir(filepath.Join(dir, part), part); err != nil {
			return err
		}
	}
	return nil
}

// copyDir copies the files of a directory, without those below it.
func copyDir(to, from string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		data, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, e.Name()), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
