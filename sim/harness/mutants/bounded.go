package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// mostMemory bounds the address space of a program with a bug in it, in KiB: a bug may have
// a run allocate without end, faster than the time limit is reached.
const mostMemory = 8 << 20

// trial is how a program with a bug in it has run.
type trial struct {
	stdout, stderr []byte
	err            error
	took           time.Duration
	endless        bool // it has not ended within the limit, or had no memory left
}

// said is what it has printed.
func (t *trial) said() []byte { return bytes.Join([][]byte{t.stdout, t.stderr}, nil) }

// try runs a program in a directory, with env beside this process's environment, for as
// long as the limit and with as much memory as mostMemory allow.
func try(limit time.Duration, dir string, env []string, binary string, args ...string) (t trial) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	argv := append([]string{"-c", `ulimit -v "$0" && exec "$@"`, strconv.Itoa(mostMemory), binary}, args...)
	cmd := exec.CommandContext(ctx, "sh", argv...) // #nosec G204 -- a program that was built here
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = dir, append(os.Environ(), env...), &stdout, &stderr, time.Second
	started := time.Now()
	t.err = cmd.Run()
	t.took, t.stdout, t.stderr = time.Since(started), stdout.Bytes(), stderr.Bytes()
	said := t.said()
	t.endless = t.err != nil && (ctx.Err() != nil || bytes.Contains(said, []byte("out of memory")) || bytes.Contains(said, []byte("cannot allocate memory")))
	return t
}

// build builds a program from the copy of the module in dir, by the go command with args.
func build(dir, name string, args ...string) (binary string, err error) {
	binary = filepath.Join(dir, name)
	cmd := exec.Command("go", append([]string{args[0], "-o", binary}, args[1:]...)...) // #nosec G204 -- as above
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("does not build: %s", bytes.TrimSpace(out))
	}
	return binary, nil
}
