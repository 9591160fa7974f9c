package container_test

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"simplane/server/harness/containers"
	"simplane/server/provider"
	"simplane/server/provider/container"
)

// A provider that ends with Keep leaves its containers to the next of its name, which
// takes over what is as its functions are, and removes the rest.
func TestTakesOver(t *testing.T) {
	c := containers.Client(t)
	name := containers.Name(t, c)
	image := containers.Image(t, c, functionPackage)
	opt := container.Options{Keep: true, SweepInterval: 50 * time.Millisecond}
	first := startAt(t, c, name, opt)
	for _, f := range []string{"same", "changed", "deleted"} {
		d := deployment(image)
		d.Name, d.Replicas = f, 1
		first.provision(d)
	}
	if err := first.SetReplicas(context.Background(), "same", 2); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all are ready", func() bool {
		a, _ := first.Status("same")
		b, _ := first.Status("changed")
		d, _ := first.Status("deleted")
		return a.Ready == 2 && b.Ready == 1 && d.Ready == 1
	})
	before := map[string]bool{}
	for _, one := range first.mine() {
		before[one.ID] = true
	}
	first.close()
	if n := len(first.mine()); n != 4 {
		t.Fatalf("%d of 4 containers outlive their provider", n)
	}

	next := startAt(t, c, name, container.Options{SweepInterval: 50 * time.Millisecond})
	for _, f := range []string{"same", "changed"} {
		d := deployment(image)
		d.Name, d.Replicas = f, 1
		if f == "changed" {
			d.Env = map[string]string{"VERSION": "2"}
		}
		next.provision(d)
	}
	eventually(t, "those of before are ready", func() bool { s, _ := next.Status("same"); return s.Ready == 2 && s.Desired == 2 })
	if r := next.invoke("same", "token"); !r.OK() || string(r.Output) != "true" {
		t.Errorf("%+v", r)
	}
	if n := len(next.mine()); n < 4 {
		t.Errorf("%d containers before every function is known", n)
	}
	next.Restored()
	eventually(t, "the rest is gone", func() bool { return len(next.mine()) == 3 })
	kept := 0
	for _, one := range next.mine() {
		if before[one.ID] {
			kept++
		}
	}
	if kept != 2 {
		t.Errorf("%d of 2 containers were taken over", kept)
	}
	if s := next.see("changed"); s.Version != "2" {
		t.Errorf("%+v", s)
	}
	if err := next.Deprovision(context.Background(), "same"); err != nil {
		t.Fatal(err)
	}
	if n := len(next.mine()); n != 1 {
		t.Errorf("%d containers after a deletion", n)
	}
	next.close()
	if n := len(next.mine()); n != 0 {
		t.Errorf("%d containers outlive a provider that keeps none", n)
	}
}

// Two of one name would remove each other's containers.
func TestOneOfAName(t *testing.T) {
	k := start(t, container.Options{})
	if _, err := container.New(container.Options{Client: k.c, Name: k.name}); err == nil || !strings.Contains(err.Error(), "another simplane") {
		t.Fatal(err)
	}
	k.close()
	again, err := container.New(container.Options{Client: k.c, Name: k.name})
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Close(context.Background())
}

// A container that somebody removes is replaced.
func TestRemovedBySomebody(t *testing.T) {
	k := start(t, container.Options{BackoffBase: time.Millisecond})
	k.provision(deployment(containers.Image(t, k.c, functionPackage)))
	before := k.see("f")
	containers.Kill(t, k.c, k.mine()[0].ID)
	eventually(t, "another answers", func() bool { r := k.invoke("f", "see"); return r.OK() && k.see("f").Host != before.Host })
}

// proxy is a socket between a client and the engine that can be cut.
type proxy struct {
	path, engine string // sockets

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]bool
}

func startProxy(t *testing.T, c *client.Client) *proxy {
	p := &proxy{path: filepath.Join(t.TempDir(), "engine.sock"), engine: containers.Socket(t, c), conns: map[net.Conn]bool{}}
	l, err := net.Listen("unix", p.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(); p.set(true) })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	return p
}

func (p *proxy) serve(c net.Conn) {
	defer c.Close()
	engine, err := net.Dial("unix", p.engine)
	if err != nil {
		return
	}
	defer engine.Close()
	p.mu.Lock()
	if p.cut {
		p.mu.Unlock()
		return
	}
	p.conns[c], p.conns[engine] = true, true
	p.mu.Unlock()
	go func() { _, _ = io.Copy(engine, c); engine.(*net.UnixConn).CloseWrite() }()
	_, _ = io.Copy(c, engine)
	p.mu.Lock()
	delete(p.conns, c)
	delete(p.conns, engine)
	p.mu.Unlock()
}

func (p *proxy) set(cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = cut
	if cut {
		for c := range p.conns {
			c.Close()
		}
	}
}

// While the engine is out of reach calls go on, and its trouble is told; what ended
// meanwhile is noticed afterwards.
func TestEngineOutOfReach(t *testing.T) {
	c := containers.Client(t)
	name := containers.Name(t, c)
	p := startProxy(t, c)
	through, err := container.Connect("unix://" + p.path)
	if err != nil {
		t.Fatal(err)
	}
	image := containers.Image(t, c, functionPackage)
	k := startAt(t, c, name, container.Options{Client: through, BackoffBase: time.Millisecond, BackoffMax: 20 * time.Millisecond, SweepInterval: 50 * time.Millisecond})
	defer p.set(false) // so that what it has made can be removed
	k.provision(deployment(image))
	k.Restored()
	before := k.see("f")
	p.set(true)
	eventually(t, "it is told", func() bool {
		err := k.Health()
		return err != nil && strings.Contains(err.Error(), "out of reach")
	})
	if s := k.see("f"); s.Host != before.Host {
		t.Errorf("%+v", s)
	}
	d := deployment(image)
	d.Name = "new"
	k.provision(d)
	if r := k.invoke("new", "see"); r.ErrorCode != provider.CodeStartFailed {
		t.Errorf("%+v", r)
	}
	containers.Kill(t, c, k.mine()[0].ID) // nobody can tell
	p.set(false)
	eventually(t, "it is back", func() bool { return k.Health() == nil })
	eventually(t, "the function has another container", func() bool { r := k.invoke("f", "see"); return r.OK() && k.see("f").Host != before.Host })
	eventually(t, "the new one starts", func() bool { return k.invoke("new", "see").OK() })
}
