package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"simplane/server/harness/node"
)

// options say how often and how hard.
type options struct {
	Lives, Answers, Workers int
	Seed                    uint64
	Fsync                   string
	Progress                io.Writer
}

// report is what was seen.
type report struct {
	Lives, Acknowledged, Unknown, Interrupted int
	Replayed                                  int64          // decisions that were recorded and taken again
	Kinds                                     map[string]int // acknowledged, by kind of request
	Longest                                   time.Duration  // of the starts
	Wrong                                     []string
}

func (r *report) String() string {
	text := fmt.Sprintf("%d lives, %d acknowledged executions, %d requests without an answer, %d executions ended by an interruption, %d decisions replayed, longest start %v\n%v\n",
		r.Lives, r.Acknowledged, r.Unknown, r.Interrupted, r.Replayed, r.Longest.Round(time.Millisecond), r.Kinds)
	for i, w := range r.Wrong {
		if i == 20 {
			return text + fmt.Sprintf("and %d more\n", len(r.Wrong)-i)
		}
		text += "WRONG: " + w + "\n"
	}
	if len(r.Wrong) == 0 {
		text += "nothing lost, nothing changed, nothing run more than its attempts\n"
	}
	return text
}

// killtest runs all lives on one data directory. The error says that it could not
// be run.
func killtest(ctx context.Context, opt options) (*report, error) {
	dir, err := os.MkdirTemp("", "simplane-killtest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	binary, err := node.Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	b := newBackend()
	defer b.Close()
	l := newLedger(b)
	r := &report{Lives: opt.Lives}
	rng := rand.New(rand.NewPCG(opt.Seed, 0))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: opt.Workers}, Timeout: time.Minute}
	boot := func() (*node.Node, error) {
		began := time.Now()
		n, err := node.Start(node.Options{Binary: binary, Args: []string{
			"--data-dir", filepath.Join(dir, "data"), "--fsync", opt.Fsync, "--rate-max-per-second", "0", "--log-level", "warn",
			"--ttl", "24h", "--cleanup-ttl", "24h", "--idempotency-ttl", "24h", "--provider", "none", "--record", filepath.Join(dir, "record"),
		}})
		r.Longest = max(r.Longest, time.Since(began))
		return n, err
	}
	replay := func() {
		n, err := node.Replay(ctx, binary, filepath.Join(dir, "record"))
		if r.Replayed += n; err != nil && ctx.Err() == nil {
			l.bad("%v", err)
		}
	}
	for life := range opt.Lives {
		n, err := boot()
		if err != nil {
			return nil, fmt.Errorf("life %d: %w", life, err)
		}
		c := &caller{client: client, base: n.API}
		if err := l.reconcile(c); err != nil {
			n.Kill()
			return nil, fmt.Errorf("life %d: %w; log:\n%s", life, err, n.Log())
		}
		if life == 0 {
			if err := l.prepare(c); err != nil {
				n.Kill()
				return nil, err
			}
		}
		l.live(c, opt, rng.Uint64(), int64(1+rng.IntN(opt.Answers)), n.Kill)
		client.CloseIdleConnections()
		replay()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if life%10 == 9 {
			fmt.Fprintf(opt.Progress, "killtest: %d lives, %d acknowledged, %d wrong\n", life+1, len(l.accepted), len(l.wrong))
		}
	}
	n, err := boot()
	if err != nil {
		return nil, err
	}
	c := &caller{client: client, base: n.API}
	if err := errors.Join(l.reconcile(c), l.settle(ctx, c)); err != nil {
		n.Kill()
		return nil, fmt.Errorf("%w; log:\n%s", err, n.Log())
	}
	if err := n.Stop(); err != nil {
		l.bad("the last life did not end well: %v", err)
	}
	replay()
	r.Wrong = slices.Concat(l.wrong, b.attempts.Twice(), b.attempts.Overlaps())
	r.Acknowledged, r.Unknown, r.Kinds, r.Interrupted = len(l.accepted), int(l.unknown.Load()), l.kinds, l.interrupted
	return r, nil
}

// live sends load until so many answers have come, then kills in the middle of
// the rest.
func (l *ledger) live(c *caller, opt options, seed uint64, answers int64, kill func()) {
	var left atomic.Int64
	left.Store(answers)
	dead := make(chan struct{})
	var once sync.Once
	var workers sync.WaitGroup
	for w := range opt.Workers {
		rng := rand.New(rand.NewPCG(seed, uint64(w)))
		workers.Go(func() {
			for {
				select {
				case <-dead:
					return
				default:
				}
				if l.act(c, w, rng) && left.Add(-1) == 0 {
					once.Do(func() { kill(); close(dead) })
				}
			}
		})
	}
	workers.Wait()
}
