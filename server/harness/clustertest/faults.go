package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"simplane/server/harness/replicas"
)

// action has something happen to a node and returns when that is over.
type action struct {
	root bool // it needs the rights of root
	do   func(ctx context.Context, x *experiment, i int) error
}

// Durations of what happens: longer than the lease of 6 s where it is not the end of
// the process.
const (
	downFor = 3 * time.Second
	awayFor = 10 * time.Second
)

var actions = map[string]action{
	"kill": {do: func(ctx context.Context, x *experiment, i int) error {
		x.group.Kill(i)
		pause(ctx, downFor)
		return x.group.Launch(i)
	}},
	"stop": {do: func(ctx context.Context, x *experiment, i int) error {
		defer x.ledger.strictly()()
		return x.restart(ctx, i)
	}},
	"roll": {do: func(ctx context.Context, x *experiment, first int) error {
		defer x.ledger.strictly()()
		for n := range x.group.Len() {
			if err := x.restart(ctx, (first+n)%x.group.Len()); err != nil {
				return err
			}
		}
		return nil
	}},
	"pause": {do: func(ctx context.Context, x *experiment, i int) error {
		x.silent.Store(int64(i))
		defer x.silent.Store(-1)
		err := x.group.Signal(i, syscall.SIGSTOP)
		pause(ctx, awayFor)
		return errors.Join(err, x.group.Signal(i, syscall.SIGCONT))
	}},
	"cut": {root: true, do: func(ctx context.Context, x *experiment, i int) error {
		err := x.network.Isolate(i, true)
		pause(ctx, awayFor)
		return errors.Join(err, x.network.Isolate(i, false))
	}},
	"oneway": {root: true, do: func(ctx context.Context, x *experiment, i int) error {
		to := (i + 1) % x.group.Len()
		err := x.network.Cut(i, to)
		pause(ctx, awayFor)
		return errors.Join(err, x.network.Mend(i, to))
	}},
	"full": {root: true, do: func(ctx context.Context, x *experiment, i int) error {
		ballast := filepath.Join(x.dir, replicas.Name(i), "ballast")
		err := fill(ballast)
		pause(ctx, awayFor)
		// An engine that has met a full disk wants to be begun again.
		x.group.Kill(i)
		return errors.Join(err, os.Remove(ballast), x.group.Launch(i))
	}},
}

// preStop is how long a node goes on serving after the balancer has taken it out.
const preStop = time.Second

// restart stops a node in order and begins it again, as an update does. The balancer
// knows of it before, and again when the node says that it is ready.
func (x *experiment) restart(ctx context.Context, i int) error {
	x.silent.Store(int64(i))
	defer x.silent.Store(-1)
	pause(ctx, preStop)
	n := x.group.Node(i)
	if err := x.group.Stop(i); err != nil {
		x.ledger.bad("%s did not end well: %v; its log: %s", replicas.Name(i), err, n.Log())
	}
	if err := x.group.Launch(i); err != nil {
		return err
	}
	return x.group.Ready(ctx, i)
}

// diskBytes is the size of a node's disk where it is to be filled.
const diskBytes = 512 << 20

// smallDisk mounts a file system of its own for a node's directory.
func smallDisk(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", diskBytes))
}

// fill writes a file until the disk is full.
func fill(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	block := make([]byte, 1<<20)
	for err == nil {
		if _, err = f.Write(block); err != nil {
			block = block[:len(block)/2]
			if len(block) > 0 {
				err = nil
			}
		}
	}
	if errors.Is(err, syscall.ENOSPC) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
