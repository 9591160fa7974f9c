package main

import (
	"bytes"
	"context"
	"os/exec"
	"strconv"
)

// mostMemory bounds the address space of a program with a bug in it, in KiB: a bug may have
// a run allocate without end, faster than the time limit is reached.
const mostMemory = 8 << 20

// bounded is a command that may not have more memory than that.
func bounded(ctx context.Context, binary string, args ...string) *exec.Cmd {
	argv := append([]string{"-c", `ulimit -v "$0" && exec "$@"`, strconv.Itoa(mostMemory), binary}, args...)
	return exec.CommandContext(ctx, "sh", argv...) // #nosec G204 -- a program that was built here
}

// outOfMemory reports whether a program that failed had no memory left.
func outOfMemory(said []byte) bool {
	return bytes.Contains(said, []byte("out of memory")) || bytes.Contains(said, []byte("cannot allocate memory"))
}
