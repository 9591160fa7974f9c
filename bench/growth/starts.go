package growth

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"simplane/bench/latency"
)

// atOnce is how many functions are called for the first time at once.
const atOnce = 16

var startsRow = rowKind{Row{
	Name: "starts", Title: "First calls of functions that have no instance", Size: "functions",
	What: "STDIO functions of a program that answers each line and does nothing else, written in C where there is a compiler and for the shell where not. Each is called once, 16 at once; its process stays. The bare loop, before and after, starts the same program, asks once, and reaps it.",
}, starts}

func starts(ctx context.Context, r *runner) error {
	command, cleanUp, err := idleProgram(ctx)
	if err != nil {
		return err
	}
	defer cleanUp()
	for _, size := range r.o.sizes(16, 100, 500, 1_500) {
		if err := r.firstCalls(ctx, size, command); err != nil {
			return err
		}
	}
	return nil
}

// firstCalls measures one number of functions, on a server of its own.
func (r *runner) firstCalls(ctx context.Context, size int, command []string) error {
	n, err := r.start(ctx, nil)
	if err != nil {
		return err
	}
	defer n.stop()
	n.proc.Grace = time.Minute // for the processes of all functions
	for i := range size {
		err := n.register(ctx, fmt.Sprintf("f-%d", i), map[string]any{
			"executionMode": "DEPLOYMENT", "runtimeMode": "STDIO", "commands": command, "concurrency": 1, "queueSize": 10,
			"scalingConfig": map[string]any{"strategy": "INTERNAL", "minReplicas": 0, "maxReplicas": 1},
		})
		if err != nil {
			return err
		}
	}
	r.say("first calls of %d", size)
	bare := func(int) error { return askProcess(ctx, command) }
	before, _, err := each(size, bare)
	if err != nil {
		return err
	}
	first, took, err := each(size, func(i int) error {
		_, err := n.call(ctx, http.MethodPost, fmt.Sprintf("%s/v1/functions/f-%d:invoke", n.api, i), map[string]any{"input": i})
		return err
	})
	if err != nil {
		return err
	}
	after, _, err := each(size, bare)
	if err != nil {
		return err
	}
	loop, at := (before+after)/2, float64(size)
	r.row.add(Figure{Name: "first calls a second, of the bare loop's", Higher: true, Limit: 0.8}, Point{Size: at, Value: first / loop, Raw: first, RawEcho: loop})
	r.row.add(Figure{Name: "first call, p99", Unit: "ms", Slack: 3, Limit: 15}, Point{Size: at, Value: latency.Percentile(took, 99)})
	return nil
}

// each calls do for 0 to n-1, some at once, and returns how many there were a
// second and how long each took.
func each(n int, do func(int) error) (rate float64, took *latency.Histogram, err error) {
	took = latency.NewHistogram()
	var mu sync.Mutex
	var workers sync.WaitGroup
	next, began := 0, time.Now()
	for range atOnce {
		workers.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				stop := i >= n || err != nil
				mu.Unlock()
				if stop {
					return
				}
				from := time.Now()
				failed := do(i)
				mu.Lock()
				if took.Record(int64(time.Since(from))); failed != nil && err == nil {
					err = failed
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	return float64(n) / time.Since(began).Seconds(), took, err
}

// askProcess starts the program, asks it once and reaps it.
func askProcess(ctx context.Context, command []string) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) // #nosec G204 -- a program of ours
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	_, err = io.WriteString(in, "{\"executionId\":\"x\",\"input\":1}\n")
	if err == nil {
		_, err = bufio.NewReader(out).ReadSlice('\n')
	}
	_ = in.Close() // its end
	if ended := cmd.Wait(); err == nil {
		err = ended
	}
	return err
}

const idleSource = `#include <stdio.h>
int main(void) {
	char line[4096];
	while (fgets(line, sizeof line, stdin)) {
		fputs("{\"output\":null}\n", stdout);
		fflush(stdout);
	}
	return 0;
}
`

// idleProgram makes the program and says how to start it.
func idleProgram(ctx context.Context) (command []string, cleanUp func(), err error) {
	compiler, err := exec.LookPath("cc")
	if err != nil {
		return []string{"/bin/sh", "-c", `while read -r line; do echo '{"output":null}'; done`}, func() {}, nil
	}
	dir, err := os.MkdirTemp("", "simplane-growth-")
	if err != nil {
		return nil, nil, err
	}
	cleanUp = func() { _ = os.RemoveAll(dir) }
	source, binary := filepath.Join(dir, "idle.c"), filepath.Join(dir, "idle")
	if err = os.WriteFile(source, []byte(idleSource), 0o600); err == nil {
		var out []byte
		if out, err = exec.CommandContext(ctx, compiler, "-O1", "-o", binary, source).CombinedOutput(); err != nil { // #nosec G204 -- the system's compiler
			err = fmt.Errorf("cc: %w: %.200s", err, out)
		}
	}
	if err != nil {
		cleanUp()
		return nil, nil, err
	}
	return []string{binary}, cleanUp, nil
}
