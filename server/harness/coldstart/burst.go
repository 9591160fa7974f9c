package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"simplane/bench/ratio"
	"simplane/server/internal/fncall"
	"simplane/server/provider"
	"simplane/server/provider/process"
)

// nothing is the source of a function that does nothing: what its start takes is
// the operating system's part and the caller's.
const nothing = `#include <stdio.h>
int main(void) {
	static char line[1 << 16];
	while (fgets(line, sizeof line, stdin)) {
		puts("{\"output\":null}");
		fflush(stdout);
	}
}
`

// burst is how long so many first calls took, and each of them.
type burst struct {
	took time.Duration
	each []time.Duration
}

func (b *burst) rate() float64 { return float64(len(b.each)) / b.took.Seconds() }

// late is the duration that 99 % of the calls stay within.
func (b *burst) late() time.Duration {
	all := slices.Sorted(slices.Values(b.each))
	return all[(len(all)-1)*99/100]
}

// compareBursts starts n functions that do nothing, some at once, bare and
// through the provider in turns, and prints a row of the table for it.
func compareBursts(ctx context.Context, n, atOnce, rounds int) error {
	dir, err := os.MkdirTemp("", "coldstart-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program, source := filepath.Join(dir, "nothing"), filepath.Join(dir, "nothing.c")
	if err := os.WriteFile(source, []byte(nothing), 0o600); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "cc", "-O2", "-o", program, source).CombinedOutput(); err != nil {
		return fmt.Errorf("the function is written in C; cc: %w\n%s", err, out)
	}
	var rates, lates [2][]float64 // bare, provider
	for i := range rounds + 1 {
		for turn := range 2 {
			which := (turn + i) % 2
			var b *burst
			if which == 0 {
				b, err = bareBurst(program, n, atOnce)
			} else {
				b, err = providedBurst(ctx, program, n, atOnce)
			}
			if err = errors.Join(err, ctx.Err()); err != nil {
				return err
			}
			if i > 0 { // the first round warms up
				rates[which] = append(rates[which], b.rate())
				lates[which] = append(lates[which], b.late().Seconds()*1000)
			}
		}
	}
	r, err := ratio.Paired(rates[1], rates[0], 0.95)
	if err != nil {
		return err
	}
	fmt.Println("| first calls | at once | bare, per s (median) | provider, per s (median) | provider / bare, 95 % interval | bare, p99 ms (median) | provider, p99 ms (median) |")
	fmt.Println("|--:|--:|--:|--:|--:|--:|--:|")
	fmt.Printf("| %d | %d | %.0f | %.0f | %.3f (%.3f to %.3f) | %.1f | %.1f |\n", n, atOnce,
		median(rates[0]), median(rates[1]), r.Ratio, r.Low, r.High, median(lates[0]), median(lates[1]))
	return nil
}

// timed makes n calls, some at once.
func timed(n, atOnce int, call func(i int) error) (*burst, error) {
	b := &burst{each: make([]time.Duration, n)}
	failed := make([]error, atOnce)
	var next atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for w := range atOnce {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && failed[w] == nil; i = int(next.Add(1)) - 1 {
				at := time.Now()
				failed[w] = call(i)
				b.each[i] = time.Since(at)
			}
		})
	}
	wg.Wait()
	b.took = time.Since(began)
	return b, errors.Join(failed...)
}

// bareBurst starts, asks once and reaps.
func bareBurst(program string, n, atOnce int) (*burst, error) {
	line := fncall.AppendLine(nil, provider.Invocation{ExecutionID: "e", Input: input})
	return timed(n, atOnce, func(int) error {
		var in, out [2]int
		if err := errors.Join(syscall.Pipe2(in[:], syscall.O_CLOEXEC), syscall.Pipe2(out[:], syscall.O_CLOEXEC)); err != nil {
			return err
		}
		stdin, stdout := os.NewFile(uintptr(in[1]), "stdin"), os.NewFile(uintptr(out[0]), "stdout")
		defer stdout.Close()
		pid, err := syscall.ForkExec(program, []string{program}, &syscall.ProcAttr{
			Files: []uintptr{uintptr(in[0]), uintptr(out[1]), 2}, Sys: &syscall.SysProcAttr{Setpgid: true},
		})
		err = errors.Join(err, syscall.Close(in[0]), syscall.Close(out[1]))
		if err == nil {
			_, err = stdin.Write(line)
		}
		if err == nil {
			_, err = bufio.NewReader(stdout).ReadString('\n')
		}
		stdin.Close()
		if pid > 0 {
			_, werr := syscall.Wait4(pid, nil, 0, nil)
			err = errors.Join(err, werr)
		}
		return err
	})
}

// providedBurst makes the first call of each of n functions. They are there
// before, and go afterwards.
func providedBurst(ctx context.Context, program string, n, atOnce int) (b *burst, err error) {
	p := process.New(process.Options{CgroupRoot: process.CgroupAuto, MaxFunctions: n + 1})
	defer func() { err = errors.Join(err, p.Close(context.Background())) }()
	name := func(i int) string { return fmt.Sprint("cold", i) }
	for i := range n + 1 {
		if err := p.Provision(ctx, provider.Deployment{Name: name(i), RuntimeMode: provider.STDIO, Commands: []string{program}}); err != nil {
			return nil, err
		}
	}
	call := func(i int) error {
		r := p.Invoke(ctx, name(i), provider.Invocation{ExecutionID: "e", Input: input})
		if !r.OK() || !r.ColdStart {
			return fmt.Errorf("through the provider: cold start %v, %s %s", r.ColdStart, r.ErrorCode, r.ErrorMessage)
		}
		return nil
	}
	if err := call(n); err != nil { // the guard is there from now on
		return nil, err
	}
	return timed(n, atOnce, call)
}
