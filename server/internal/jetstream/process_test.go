package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/rpc"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"simplane/core"
	"simplane/core/cluster"
	"simplane/server/harness/node"
)

// A test that kills needs processes: each is this test's binary, with a server and an
// engine in it, and does what it is asked over a socket.

const childVariable = "JETSTREAM_TEST_CHILD"

// childSpec is what a child is started with.
type childSpec struct {
	Name, Listen, Dir, Socket string
	Peers                     []string
}

func beChild(raw string) {
	err := func() error {
		var spec childSpec
		if err := json.Unmarshal([]byte(raw), &spec); err != nil {
			return err
		}
		go func() { // dies with the test
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(1)
		}()
		server, err := Embed(EmbedOptions{Name: spec.Name, Listen: spec.Listen, Peers: spec.Peers, Dir: spec.Dir, Log: testLog()})
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if err := server.Ready(ctx); err != nil {
			return err
		}
		e, err := Connect(ctx, Options{Embedded: server, MaxBytes: 1 << 30})
		if err != nil {
			return err
		}
		_ = os.Remove(spec.Socket)
		l, err := net.Listen("unix", spec.Socket)
		if err != nil {
			return err
		}
		if err := rpc.RegisterName("Child", &Child{inProcess{e}}); err != nil {
			return err
		}
		rpc.Accept(l)
		return nil
	}()
	fmt.Fprintln(os.Stderr, "child:", err)
	os.Exit(1)
}

// Child does calls of a store.
type Child struct{ store }

// Call and Answer are exported because net/rpc asks for it.
type Call struct {
	Patience  time.Duration
	Partition core.Partition
	Owner     cluster.Ownership
	At        cluster.Fence
	ID        string
	Frames    []cluster.StoredFrame
}

type Answer struct {
	Leader    string
	Overtaken bool
	Fenced    []core.Partition
	At        cluster.Fence
	Last      uint64
	Places    []uint64
	Frames    [][]byte
}

func (c *Child) do(q *Call, a *Answer, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), q.Patience)
	defer cancel()
	err := f(ctx)
	var fenced *cluster.FencedError
	switch {
	case errors.Is(err, cluster.ErrOvertaken):
		a.Overtaken = true
	case errors.As(err, &fenced):
		a.Fenced = fenced.Partitions
	default:
		return err
	}
	return nil
}

func (c *Child) Claim(q *Call, a *Answer) error {
	return c.do(q, a, func(ctx context.Context) (err error) {
		a.At, err = c.store.Claim(ctx, q.Partition, q.Owner, q.At)
		return err
	})
}

func (c *Child) Commit(q *Call, a *Answer) error {
	return c.do(q, a, func(ctx context.Context) (err error) {
		a.Last, err = c.store.Commit(ctx, q.ID, q.Frames)
		return err
	})
}

func (c *Child) Newest(q *Call, a *Answer) error {
	return c.do(q, a, func(ctx context.Context) (err error) {
		a.At, err = c.store.Newest(ctx, q.Partition)
		return err
	})
}

func (c *Child) Leader(q *Call, a *Answer) error {
	return c.do(q, a, func(ctx context.Context) error {
		s, err := c.store.(inProcess).Status(ctx)
		a.Leader = s.Leader
		return err
	})
}

func (c *Child) Read(q *Call, a *Answer) error {
	return c.do(q, a, func(ctx context.Context) error {
		return c.store.Read(ctx, q.Partition, 0, q.At, func(at uint64, data []byte) error {
			a.Places, a.Frames = append(a.Places, at), append(a.Frames, append([]byte(nil), data...))
			return nil
		})
	})
}

// process is a child as the test sees it.
type process struct {
	spec  childSpec
	mu    sync.Mutex
	cmd   *exec.Cmd
	stdin io.Closer
	conn  *rpc.Client
}

func startProcesses(t *testing.T) (all []*process) {
	addrs, err := node.FreeAddresses("127.0.0.1", 3)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for i := range addrs {
		p := &process{spec: childSpec{
			Name: fmt.Sprint("n", i), Listen: addrs[i], Peers: addrs,
			Dir: filepath.Join(dir, fmt.Sprint(i)), Socket: filepath.Join(dir, fmt.Sprint(i, ".sock")),
		}}
		p.start(t)
		t.Cleanup(p.kill)
		all = append(all, p)
	}
	return all
}

func (p *process) start(t *testing.T) {
	raw, err := json.Marshal(p.spec)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), childVariable+"="+string(raw))
	p.cmd.Stderr = os.Stderr
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

// kill ends it as a power cut would, as far as a process can be.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	if p.conn != nil {
		p.conn.Close()
		p.conn = nil
	}
}

// call asks the child. It fails while the child is not there.
func (p *process) call(ctx context.Context, method string, q Call) (a Answer, err error) {
	p.mu.Lock()
	if p.conn == nil {
		p.conn, err = rpc.Dial("unix", p.spec.Socket)
	}
	conn := p.conn
	p.mu.Unlock()
	if err != nil {
		return a, err
	}
	until, _ := ctx.Deadline()
	q.Patience = time.Until(until)
	done := conn.Go("Child."+method, &q, &a, make(chan *rpc.Call, 1)).Done
	select {
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	case c := <-done:
		err = c.Error
	}
	switch {
	case errors.Is(err, rpc.ErrShutdown) || errors.Is(err, io.ErrUnexpectedEOF):
		p.mu.Lock()
		if p.conn == conn {
			conn.Close()
			p.conn = nil
		}
		p.mu.Unlock()
	case a.Overtaken:
		err = cluster.ErrOvertaken
	case a.Fenced != nil:
		err = &cluster.FencedError{Partitions: a.Fenced}
	}
	return a, err
}

func (p *process) Claim(ctx context.Context, part core.Partition, o cluster.Ownership, seen cluster.Fence) (cluster.Fence, error) {
	a, err := p.call(ctx, "Claim", Call{Partition: part, Owner: o, At: seen})
	return a.At, err
}

func (p *process) Free(ctx context.Context, part core.Partition, o cluster.Ownership, at cluster.Fence) (cluster.Fence, error) {
	return p.Claim(ctx, part, o, at)
}

func (p *process) Commit(ctx context.Context, id string, frames []cluster.StoredFrame) (uint64, error) {
	a, err := p.call(ctx, "Commit", Call{ID: id, Frames: frames})
	return a.Last, err
}

func (p *process) Newest(ctx context.Context, part core.Partition) (cluster.Fence, error) {
	a, err := p.call(ctx, "Newest", Call{Partition: part})
	return a.At, err
}

func (p *process) Read(ctx context.Context, part core.Partition, _ uint64, until cluster.Fence, each func(uint64, []byte) error) error {
	a, err := p.call(ctx, "Read", Call{Partition: part, At: until})
	for i, data := range a.Frames {
		if err == nil {
			err = each(a.Places[i], data)
		}
	}
	return err
}

// TestModelWithKills is TestModel with a server in each of three processes, which are
// killed and paused in turn. Whoever waits for an outcome asks again, also another
// process.
func TestModelWithKills(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills processes")
	}
	modelWithKills(t, 4)
}

func modelWithKills(t *testing.T, rounds int) {
	all := startProcesses(t)
	draw := rand.New(rand.NewPCG(1, 2))
	h := &history{records: map[core.Partition][]record{}}
	const partitions = 6
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var members sync.WaitGroup
	for i := range 4 {
		own := rand.New(rand.NewPCG(3, uint64(i)))
		m := &member{
			name: fmt.Sprint("m", i), h: h, draw: own, engine: func() store { return all[own.IntN(len(all))] },
			owned: map[core.Partition]cluster.Fence{}, of: partitions, timeout: 3 * time.Second,
		}
		m.newest = func(p core.Partition) cluster.Fence {
			one, cancel := context.WithTimeout(ctx, m.timeout)
			defer cancel()
			at, _ := m.engine().Newest(one, p) // a wrong guess is a claim that fails
			return at
		}
		members.Go(func() { m.run(ctx, t) })
	}
	hung := time.AfterFunc(time.Duration(rounds+2)*time.Minute, func() { panic("the processes store nothing any more") })
	defer hung.Stop()
	// progress waits until some more batches are stored.
	progress := func() (took time.Duration) {
		began, before := time.Now(), h.count()[allStored]
		for h.count()[allStored] < before+10 {
			time.Sleep(20 * time.Millisecond)
		}
		return time.Since(began)
	}
	progress()
	for round := range rounds {
		victim := all[draw.IntN(len(all))]
		if round%2 == 0 {
			victim.kill()
			t.Logf("%s is killed: 10 more batches within %v", victim.spec.Name, progress().Round(time.Millisecond))
			victim.start(t)
		} else {
			_ = victim.cmd.Process.Signal(syscall.SIGSTOP)
			t.Logf("%s is paused: 10 more batches within %v", victim.spec.Name, progress().Round(time.Millisecond))
			_ = victim.cmd.Process.Signal(syscall.SIGCONT)
		}
		progress()
	}
	cancel()
	members.Wait()
	h.check(t, patient{all}, partitions)
}

// patient asks one process after another.
type patient struct{ all []*process }

func (p patient) ask(ctx context.Context, f func(context.Context, *process) error) (err error) {
	for i := 0; ctx.Err() == nil; i++ {
		one, cancel := context.WithTimeout(ctx, 20*time.Second)
		err = f(one, p.all[i%len(p.all)])
		cancel()
		if err == nil || errors.Is(err, cluster.ErrOvertaken) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

func (p patient) Claim(ctx context.Context, part core.Partition, o cluster.Ownership, seen cluster.Fence) (at cluster.Fence, err error) {
	err = p.ask(ctx, func(ctx context.Context, c *process) error {
		at, err = c.Claim(ctx, part, o, seen)
		return err
	})
	return at, err
}

func (p patient) Free(ctx context.Context, part core.Partition, o cluster.Ownership, at cluster.Fence) (cluster.Fence, error) {
	return p.Claim(ctx, part, o, at)
}

func (p patient) Commit(context.Context, string, []cluster.StoredFrame) (uint64, error) {
	return 0, errors.ErrUnsupported
}

func (p patient) Newest(ctx context.Context, part core.Partition) (at cluster.Fence, err error) {
	err = p.ask(ctx, func(ctx context.Context, c *process) error {
		at, err = c.Newest(ctx, part)
		return err
	})
	return at, err
}

func (p patient) Read(ctx context.Context, part core.Partition, from uint64, until cluster.Fence, each func(uint64, []byte) error) error {
	var a Answer
	err := p.ask(ctx, func(ctx context.Context, c *process) (err error) {
		a, err = c.call(ctx, "Read", Call{Partition: part, At: until})
		return err
	})
	for i, data := range a.Frames {
		if err == nil {
			err = each(a.Places[i], data)
		}
	}
	return err
}
