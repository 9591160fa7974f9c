package jetstream

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"simplane/core"
	"simplane/core/cluster"
	"simplane/server/harness/node"
)

// servers is a cluster of three inside this process. It is shared by all tests of the
// package, which have streams of their own, and is started by the first that needs it.
type servers struct {
	dir   string
	addrs []string
	mu    sync.Mutex
	all   []*Embedded
}

var shared struct {
	once sync.Once
	*servers
	err error
}

func TestMain(m *testing.M) {
	if at := os.Getenv(childVariable); at != "" {
		beChild(at)
		return
	}
	code := m.Run()
	if shared.servers != nil {
		shared.close()
	}
	os.Exit(code)
}

func cluster3(t testing.TB) *servers {
	t.Helper()
	shared.once.Do(func() { shared.servers, shared.err = newServers() })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.servers
}

func newServers() (*servers, error) {
	dir, err := os.MkdirTemp("", "simplane-jetstream-")
	if err != nil {
		return nil, err
	}
	s := &servers{dir: dir, all: make([]*Embedded, 3)}
	if s.addrs, err = node.FreeAddresses("127.0.0.1", 3); err != nil {
		return nil, err
	}
	for i := range s.all {
		if err := s.start(i); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, e := range s.all {
		if err := e.Ready(ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *servers) start(i int) (err error) {
	e, err := Embed(EmbedOptions{
		Name: fmt.Sprintf("n%d", i), Listen: s.addrs[i], Peers: s.addrs,
		Dir: filepath.Join(s.dir, fmt.Sprint(i)), Log: testLog().With("server", i),
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[i] = e
	return err
}

// testLog shows what servers and engines say if ENGINE_LOG is set.
func testLog() *slog.Logger {
	if os.Getenv("ENGINE_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (s *servers) close() {
	for _, e := range s.all {
		if e != nil {
			e.Shutdown()
		}
	}
	os.RemoveAll(s.dir)
}

var streams int

// name is of a stream that no other test has.
func name(t testing.TB) string {
	t.Helper()
	streams++
	return fmt.Sprintf("test-%d", streams)
}

// engine connects to the i-th server.
func (s *servers) engine(t testing.TB, name string, i int) *Engine {
	t.Helper()
	// Nobody who renewed is gone because the machine is slow.
	return joined(t, Options{Embedded: s.all[i], Name: name, MaxBytes: 1 << 30, Log: testLog().With("engine", i), MemberTTL: 10 * time.Minute})
}

// joined is an engine that has stored a value once, as each node does before it is a
// member. NATS servers make their table of conditional writes for the first one, and look
// whether there is one after each write, without a lock (2.15.3): where that came after
// writes of another kind the race detector would tell.
func joined(t testing.TB, o Options) *Engine {
	t.Helper()
	e, err := Connect(within(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	if _, err := e.Once(within(t), "joined", []byte("1")); err != nil {
		t.Fatal(err)
	}
	return e
}

// within ends when a test has surely hung.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func owner(name string) cluster.Ownership { return cluster.Ownership{Name: name, Life: name + "-life"} }

func claim(t testing.TB, e *Engine, p core.Partition, name string, seen cluster.Fence) cluster.Fence {
	t.Helper()
	at, err := e.Claim(within(t), p, owner(name), seen)
	if err != nil {
		t.Fatalf("%s claims %d: %v", name, p, err)
	}
	return at
}

func frame(p core.Partition, at cluster.Fence, data string) cluster.StoredFrame {
	return cluster.StoredFrame{Partition: p, Fence: at, Data: []byte(data)}
}

// kept is what a reader of p meets before the record at until.
func kept(t testing.TB, e *Engine, p core.Partition, until cluster.Fence) (data []string) {
	t.Helper()
	err := e.Read(within(t), p, 0, until, func(_ uint64, b []byte) error {
		data = append(data, string(b))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return data
}
