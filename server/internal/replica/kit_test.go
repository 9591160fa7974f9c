package replica_test

import (
	"log/slog"
	"sync"
	"testing"
	"time"

	"simplane/core"
	"simplane/core/cluster"
	"simplane/server/harness/memengine"
	"simplane/server/internal/replica"
)

// hangGuard ends a test that waits for what never comes.
const hangGuard = 30 * time.Second

// instance is one of a partition that has no core.
type instance struct {
	log    *cluster.Log
	stored func(core.LSN) error

	mu      sync.Mutex
	done    chan struct{} // Done waits for it; nil = it does not
	inDone  bool
	ended   bool // Shut or Given
	shut    int
	shutIn  bool // Shut came while Done ran
	applied int
}

func (i *instance) Apply(core.LSN, *core.Fact) error { i.applied++; return nil }
func (i *instance) Done() error {
	i.mu.Lock()
	i.inDone = true
	wait := i.done
	i.mu.Unlock()
	if wait != nil {
		<-wait
	}
	i.mu.Lock()
	i.inDone = false
	i.mu.Unlock()
	return nil
}
func (i *instance) Advanced(core.LSN) {}
func (i *instance) Hold()             {}
func (i *instance) Given()            { i.mu.Lock(); i.ended = true; i.mu.Unlock() }
func (i *instance) Shut(error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.ended, i.shutIn = true, i.shutIn || i.inDone
	i.shut++
}

// member is a node whose instances are these.
type member struct {
	t    *testing.T
	node *replica.Node
	link *memengine.Engine

	mu        sync.Mutex
	instances []*instance
	waits     chan struct{} // what the next instance of partition 0 waits for in Done
}

func join(t *testing.T, hub *memengine.Hub, name string) *member {
	m := &member{t: t, link: hub.Connect()}
	timing := cluster.DefaultTiming()
	for _, d := range []*time.Duration{&timing.Renew, &timing.Stop, &timing.Gone, &timing.Settle, &timing.Again, &timing.Tick} {
		*d /= 10
	}
	m.node = replica.New(replica.Options{
		Engine: m.link, Self: cluster.Member{Name: name, Life: name + "1", Peer: name}, Timing: timing, Log: slog.New(slog.DiscardHandler),
		Open: func(l *cluster.Log, _ cluster.Ownership, stored func(core.LSN) error) (replica.Instance, error) {
			i := &instance{log: l, stored: stored}
			m.mu.Lock()
			defer m.mu.Unlock()
			if l.Partition() == 0 {
				i.done, m.waits = m.waits, nil
			}
			m.instances = append(m.instances, i)
			return i, nil
		},
		Granted: func(core.Partition) uint64 { return 0 }, Announced: func(string, []byte) {}, Gone: func(cluster.Member) {}, Stop: func(error) {},
		JournalTimeout: hangGuard,
	})
	m.node.Start()
	return m
}

func (m *member) eventually(what string, is func() bool) {
	m.t.Helper()
	for until := time.Now().Add(hangGuard); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			m.t.Fatalf("waited in vain: %s", what)
		}
	}
}

// of is the instance that serves a partition; it waits until there is one, other than
// before.
func (m *member) of(p core.Partition, before *instance) (i *instance) {
	m.t.Helper()
	m.eventually("the partition is open", func() bool {
		i, _ = m.node.Instance(p).(*instance)
		return i != nil && i != before
	})
	return i
}

// close wants Close to return.
func (m *member) close() {
	m.t.Helper()
	closed := make(chan error, 1)
	go func() { closed <- m.node.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			m.t.Error(err)
		}
	case <-time.After(hangGuard / 3):
		m.t.Fatal("Close does not return")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, i := range m.instances {
		i.mu.Lock()
		if !i.ended {
			m.t.Errorf("the instance of partition %d was not ended", i.log.Partition())
		}
		i.mu.Unlock()
	}
}

// store appends a fact of n bytes to the instance's journal, and waits until it is
// durable.
func (i *instance) store(p core.Partition, n int) error {
	return i.stored(i.log.Append(p, &core.Fact{Kind: core.FactConfig, Data: make([]byte, n)}))
}
