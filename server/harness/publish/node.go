package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"simplane/core"
	"simplane/core/cluster"
	"simplane/server/internal/jetstream"
)

// start is what a process is told when it starts, order what to do for a round,
// result how that went.
type (
	start struct {
		Node  int
		Peers []string
		Dir   string
	}
	order struct {
		Publishers, Size int
		Round            time.Duration
	}
	result struct {
		Millis  []float64 // of each message, until it was acknowledged
		CPU     time.Duration
		Batches int
		Error   string
	}
)

func serve(raw string) error {
	var s start
	if err := json.Unmarshal([]byte(raw), &s); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	server, err := jetstream.Embed(jetstream.EmbedOptions{Name: fmt.Sprint("n", s.Node), Listen: s.Peers[s.Node], Peers: s.Peers, Dir: s.Dir})
	if err != nil {
		return err
	}
	if err := server.Ready(ctx); err != nil {
		return err
	}
	e, err := jetstream.Connect(ctx, jetstream.Options{Embedded: server})
	if err != nil {
		return err
	}
	c, err := newCommitter(ctx, e, s.Node)
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(struct{}{}); err != nil {
		return err
	}
	for orders := json.NewDecoder(os.Stdin); ; {
		var o order
		if err := orders.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := out.Encode(c.round(o)); err != nil {
			return err
		}
	}
}

// committer has one batch under way, of all that was waiting when it began.
type committer struct {
	engine *jetstream.Engine
	node   int
	fences map[core.Partition]cluster.Fence
	own    []core.Partition
	next   int

	mu      sync.Mutex
	waiting []*message
	some    chan struct{} // has one element when there are some
}

type message struct {
	partition core.Partition
	data      []byte
	stored    chan error
}

// newCommitter claims every third partition.
func newCommitter(ctx context.Context, e *jetstream.Engine, node int) (*committer, error) {
	c := &committer{engine: e, node: node, fences: map[core.Partition]cluster.Fence{}, some: make(chan struct{}, 1)}
	name := fmt.Sprint("n", node)
	for p := node; p < cluster.Partitions; p += nodes {
		at, err := e.Claim(ctx, core.Partition(p), cluster.Ownership{Name: name, Life: name}, 0)
		if err != nil {
			return nil, fmt.Errorf("partition %d: %w", p, err)
		}
		c.fences[core.Partition(p)] = at
		c.own = append(c.own, core.Partition(p))
	}
	return c, nil
}

func (c *committer) round(o order) (r result) {
	ctx, cancel := context.WithCancel(context.Background())
	var committing, publishing sync.WaitGroup
	committing.Go(func() { r.Batches = c.commit(ctx) })
	cpu, until := cpuTime(), time.Now().Add(o.Round)
	var mu sync.Mutex
	for i := range o.Publishers {
		publishing.Go(func() {
			m := message{c.own[i%len(c.own)], make([]byte, o.Size), make(chan error, 1)}
			var own []float64
			var err error
			for err == nil && time.Now().Before(until) {
				at := time.Now()
				c.append(&m)
				err = <-m.stored
				own = append(own, float64(time.Since(at))/1e6)
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				r.Error = err.Error()
			}
			r.Millis = append(r.Millis, own...)
		})
	}
	publishing.Wait()
	time.Sleep(time.Until(until)) // the servers work for the other processes
	r.CPU = cpuTime() - cpu
	cancel()
	committing.Wait()
	return r
}

func (c *committer) append(m *message) {
	c.mu.Lock()
	c.waiting = append(c.waiting, m)
	c.mu.Unlock()
	select {
	case c.some <- struct{}{}:
	default:
	}
}

func (c *committer) commit(ctx context.Context) (batches int) {
	for {
		select {
		case <-ctx.Done():
			return batches
		case <-c.some:
		}
		c.mu.Lock()
		taken := c.waiting
		c.waiting = nil
		c.mu.Unlock()
		if len(taken) == 0 {
			continue
		}
		at := map[core.Partition]int{}
		var frames []cluster.StoredFrame
		for _, m := range taken {
			i, ok := at[m.partition]
			if !ok {
				i = len(frames)
				at[m.partition] = i
				frames = append(frames, cluster.StoredFrame{Partition: m.partition, Fence: c.fences[m.partition]})
			}
			frames[i].Data = append(frames[i].Data, m.data...)
		}
		c.next++
		batches++
		one, cancel := context.WithTimeout(ctx, time.Minute)
		_, err := c.engine.Commit(one, fmt.Sprintf("%d-%d", c.node, c.next), frames)
		cancel()
		for _, m := range taken {
			m.stored <- err
		}
	}
}

// cpuTime is what this process has taken, in user and system mode.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
