// Command mutants shows that the simulator notices bugs. It applies each
// deliberate bug of list.go to a temporary copy of the module, builds the
// check program against it, and reports which scenario or swarm seed fails.
//
//	go run ./sim/harness/mutants [-only WORD] [-timeout 60s] [-check]
//
// Run it from the module's root. It exits 1 when a bug is not caught, and 2
// when one no longer applies to core. With -check it tries none, and says only
// which of them do not apply.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	only := flag.String("only", "", "only mutants whose name contains `WORD`")
	limit := flag.Duration("timeout", time.Minute, "what a mutant may take to be caught")
	applies := flag.Bool("check", false, "say only which mutants do not apply to core")
	flag.Parse()
	code, err := run(*only, *limit, *applies)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		code = 2
	}
	os.Exit(code)
}

func run(only string, limit time.Duration, applies bool) (int, error) {
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return 2, err
	}
	defer os.RemoveAll(dir)
	if err := copyModule(dir); err != nil {
		return 2, fmt.Errorf("%w (run it from the module's root)", err)
	}
	var chosen []mutant
	for _, m := range mutants {
		if strings.Contains(m.name, only) {
			chosen = append(chosen, m)
		}
	}
	if applies {
		return checkAll(dir, chosen)
	}
	if verdict, took, err := check(dir, limit); err != nil || verdict != "" {
		return 2, fmt.Errorf("core without any bug does not pass (%v): %s %v", took, verdict, err)
	}
	return tryAll(dir, chosen, limit), nil
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

// tryAll prints a row for each mutant and returns the exit code.
func tryAll(dir string, chosen []mutant, limit time.Duration) int {
	code, caught := 0, 0
	fmt.Println("| bug | caught by | seconds |\n|---|---|---|")
	for _, m := range chosen {
		var verdict string
		var took time.Duration
		err := with(dir, m, func() (err error) {
			verdict, took, err = check(dir, limit)
			return err
		})
		switch {
		case err != nil:
			verdict, code = "COULD NOT BE TRIED: "+err.Error(), 2
		case verdict == "":
			verdict, code = "NOT CAUGHT", max(code, 1)
		default:
			caught++
		}
		fmt.Printf("| %s | %s | %.1f |\n", m.name, strings.ReplaceAll(verdict, "|", "\\|"), took.Seconds())
	}
	fmt.Printf("\n%d of %d caught\n", caught, len(chosen))
	return code
}

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
	files, err := filepath.Glob(filepath.Join(dir, "core", "*.go"))
	if err != nil {
		return "", nil, err
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
			places = append(places, "core/"+filepath.Base(file))
			path, source = file, text
		}
	}
	if len(places) != 1 {
		return "", nil, fmt.Errorf("%q occurs %d times in core %v, not once", m.old, len(places), places)
	}
	return path, source, nil
}

// check builds and runs the check program; verdict is what failed, "" when
// nothing did. The time does not count building.
func check(dir string, limit time.Duration) (verdict string, took time.Duration, err error) {
	binary := filepath.Join(dir, "check.bin")
	build := exec.Command("go", "build", "-o", binary, "./sim/harness/mutants/check")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		return "", 0, fmt.Errorf("does not build: %s", bytes.TrimSpace(out))
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	started := time.Now()
	cmd := exec.CommandContext(ctx, binary, filepath.Join(dir, "scenarios"))
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	took = time.Since(started)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return "", took, nil
	case ctx.Err() != nil:
		return "a run that does not end", took, nil
	case errors.As(err, &exit) && exit.ExitCode() == 1:
		first, _, _ := strings.Cut(string(out), "\n")
		return first, took, nil
	}
	return "", took, fmt.Errorf("check failed: %w: %s", err, out)
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
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if .Module}}{{if .Module.Main}}{{.ImportPath}}{{end}}{{end}}", "./sim/harness/mutants/check").Output()
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
