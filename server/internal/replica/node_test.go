package replica_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"simplane/core"
	"simplane/core/cluster"
	"simplane/server/harness/memengine"
	"simplane/server/internal/replica"
)

// A node that ends without having given anything up ends its instances and itself.
func TestCloseWithOpenPartitions(t *testing.T) {
	m := join(t, memengine.New(), "a")
	m.of(255, nil)
	m.close()
}

// A commit that can never succeed, or whose outcome stays unknown, holds nothing up: the
// partitions are opened anew, by what is stored.
func TestHopelessCommitIsGivenUp(t *testing.T) {
	for what, hopeless := range map[string]error{
		"unknown": fmt.Errorf("tried too long ago: %w", replica.ErrUnknown),
		"refused": &cluster.RefusedError{Partitions: []core.Partition{3}, Why: errors.New("too large")},
	} {
		t.Run(what, func(t *testing.T) {
			m := join(t, memengine.New(), "a")
			defer m.close()
			three, four := m.of(3, nil), m.of(4, nil)
			if err := three.store(3, 10); err != nil {
				t.Fatal(err)
			}
			var failed atomic.Int32
			m.link.Committing(func(frames []cluster.StoredFrame) error {
				for _, f := range frames {
					if f.Partition == 3 && len(f.Data) > 1000 {
						failed.Add(1)
						return hopeless
					}
				}
				return nil
			})
			if err := three.store(3, 2000); !errors.Is(err, replica.ErrLost) {
				t.Errorf("%v", err)
			}
			again := m.of(3, three)
			if again.applied != 1 {
				t.Errorf("%d facts came back", again.applied)
			}
			if err := again.store(3, 20); err != nil {
				t.Error(err)
			}
			if err := m.of(4, nil).store(4, 20); err != nil {
				t.Error(err)
			}
			if what == "refused" && m.of(4, nil) != four {
				t.Error("another partition was opened anew")
			}
			if n := failed.Load(); n != 1 {
				t.Errorf("%d commits", n)
			}
		})
	}
}

// A partition that is lost while it is being opened is not served, and what was begun for
// it ends, after and not while it is begun.
func TestLostWhileOpening(t *testing.T) {
	hub := memengine.New()
	m := join(t, hub, "a")
	wait := make(chan struct{})
	m.mu.Lock()
	m.waits = wait
	m.mu.Unlock()
	var first *instance
	m.eventually("partition 0 is being opened", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, i := range m.instances {
			i.mu.Lock()
			if i.inDone {
				first = i
			}
			i.mu.Unlock()
		}
		return first != nil
	})
	m.link.Cut()
	m.eventually("the lease ends, and the node has given up what it opens", func() bool {
		_, parts := m.node.Status()
		return parts[0].State == cluster.StateNone.String()
	})
	m.link.Heal()
	m.of(0, first)
	close(wait)
	m.eventually("the first one is ended", func() bool { first.mu.Lock(); defer first.mu.Unlock(); return first.ended })
	first.mu.Lock()
	if first.shutIn || first.shut != 1 {
		t.Errorf("shut %d times, while it was opened: %v", first.shut, first.shutIn)
	}
	first.mu.Unlock()
	if m.of(0, nil) == first {
		t.Error("the first one serves")
	}
	m.close()
}
