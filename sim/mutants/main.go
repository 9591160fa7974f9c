// Command mutants shows that the simulator notices bugs. It applies each
// deliberate bug of list.go to a temporary copy of the module, builds the
// check program against it, and reports which scenario or swarm seed fails.
//
//	go run ./sim/mutants [-only WORD] [-timeout 60s]
//
// Run it from the module's root. It exits 1 when a bug is not caught, and 2
// when one no longer applies to core.
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
	only := flag.String("only", "", "only mutants whose name contains this")
	limit := flag.Duration("timeout", time.Minute, "what a mutant may take to be caught")
	flag.Parse()
	code, err := run(*only, *limit)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		code = 2
	}
	os.Exit(code)
}

func run(only string, limit time.Duration) (int, error) {
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return 2, err
	}
	defer os.RemoveAll(dir)
	if err := copyModule(dir); err != nil {
		return 2, fmt.Errorf("%w (run it from the module's root)", err)
	}
	if verdict, took, err := check(dir, limit); err != nil || verdict != "" {
		return 2, fmt.Errorf("core without any bug does not pass (%v): %s %v", took, verdict, err)
	}
	code, caught, tried := 0, 0, 0
	fmt.Println("| bug | caught by | seconds |\n|---|---|---|")
	for _, m := range mutants {
		if !strings.Contains(m.name, only) {
			continue
		}
		tried++
		verdict, took, err := try(dir, m, limit)
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
	fmt.Printf("\n%d of %d caught\n", caught, tried)
	return code, nil
}

// try applies a bug, checks, and takes it back.
func try(dir string, m mutant, limit time.Duration) (verdict string, took time.Duration, err error) {
	path := filepath.Join(dir, "core", m.file)
	source, err := os.ReadFile(path)
	if err != nil {
		return "", 0, err
	}
	if n := bytes.Count(source, []byte(m.old)); n != 1 {
		return "", 0, fmt.Errorf("%q occurs %d times in core/%s, not once; bring list.go up to date", m.old, n, m.file)
	}
	if err := os.WriteFile(path, bytes.Replace(source, []byte(m.old), []byte(m.new), 1), 0o644); err != nil {
		return "", 0, err
	}
	defer func() {
		if e := os.WriteFile(path, source, 0o644); e != nil && err == nil {
			err = e
		}
	}()
	return check(dir, limit)
}

// check builds and runs the check program; verdict is what failed, "" when
// nothing did. The time does not count building.
func check(dir string, limit time.Duration) (verdict string, took time.Duration, err error) {
	binary := filepath.Join(dir, "check.bin")
	build := exec.Command("go", "build", "-o", binary, "./sim/mutants/check")
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

// copyModule copies what the check program needs.
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
	for _, part := range []string{"core", "sim", "scenarios"} {
		if err := os.CopyFS(filepath.Join(dir, part), os.DirFS(part)); err != nil {
			return err
		}
	}
	return nil
}
