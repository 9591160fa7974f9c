package peer

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/internal/api"
	"simplane/server/internal/http1"
)

const hangGuard = 30 * time.Second

// owners is what one node knows; the test changes it.
type owners struct {
	mu      sync.Mutex
	local   Local
	owner   string
	mine    bool
	moving  bool
	changed chan struct{}
}

func (o *owners) Local(core.Partition) Local  { o.mu.Lock(); defer o.mu.Unlock(); return o.local }
func (o *owners) Owner(core.Partition) string { o.mu.Lock(); defer o.mu.Unlock(); return o.owner }
func (o *owners) Moving(core.Partition) bool  { o.mu.Lock(); defer o.mu.Unlock(); return o.moving }
func (o *owners) Mine(core.Partition) bool    { o.mu.Lock(); defer o.mu.Unlock(); return o.mine }
func (o *owners) Closed(core.Partition) bool  { return false }
func (o *owners) Others() []string            { return nil }
func (o *owners) Self() string                { return "" }
func (o *owners) Open() (s Partitions)        { return s }
func (o *owners) Changed() <-chan struct{}    { o.mu.Lock(); defer o.mu.Unlock(); return o.changed }

func (o *owners) set(local Local, owner string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.local, o.owner, o.mine = local, owner, local != nil
	close(o.changed)
	o.changed = make(chan struct{})
}

// local answers with f.
type local struct {
	f     func(ctx *fasthttp.RequestCtx)
	state atomic.Uint32
}

func (l *local) Answer(_ int, ctx *fasthttp.RequestCtx, _ string) { l.f(ctx) }
func (l *local) State() State                                     { return State(l.state.Load()) }

// member is one node: a server for callers and one for other members.
type testNode struct {
	owners      *owners
	router      *Router
	front, peer string // addresses
	peerServer  *http1.Server
}

func start(t *testing.T, name string) *testNode {
	n := &testNode{owners: &owners{changed: make(chan struct{})}}
	client := New(Options{Name: name, MaxConns: 64, MaxAnswer: 1 << 20})
	t.Cleanup(client.Close)
	n.router = NewRouter(RouterOptions{Client: client, Owners: n.owners, Log: slog.New(slog.DiscardHandler), Longest: hangGuard, Hold: time.Second, Observe: func(string) {}})
	route := []api.Route{{At: api.AtFunction, Handle: func(*fasthttp.RequestCtx, string) {}}}
	serve := func(last bool) (string, *http1.Server) {
		handle := n.router.Routes(route, last)[0].Handle
		s := &http1.Server{
			Name: name, ReadTimeout: hangGuard, WriteTimeout: hangGuard, IdleTimeout: hangGuard, MaxHeaderBytes: 8 << 10, MaxBodyBytes: 1 << 20, Bodies: http1.NewBudget(8 << 20),
			Refuse: func(ctx *fasthttp.RequestCtx, err error) { ctx.Error(err.Error(), 400) },
			Handler: func(ctx *fasthttp.RequestCtx) {
				if err := http1.ReadBody(ctx); err != nil {
					t.Error(err)
				}
				handle(ctx, "f")
			},
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = s.Serve(ln) }()
		t.Cleanup(func() { _ = ln.Close() })
		return ln.Addr().String(), s
	}
	n.front, _ = serve(false)
	n.peer, n.peerServer = serve(true)
	return n
}

func (n *testNode) ask(t *testing.T, method, body string) (int, string, http.Header) {
	t.Helper()
	req, _ := http.NewRequest(method, "http://"+n.front+"/v1/x?y=%20z", strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer t")
	resp, err := (&http.Client{Timeout: hangGuard}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text), resp.Header
}

// echo says what it was asked, and by which node.
func echo(name string) *local {
	return &local{f: func(ctx *fasthttp.RequestCtx) {
		ctx.Response.Header.Set("X-Node", name)
		ctx.SetStatusCode(201)
		ctx.SetBodyString(string(ctx.Method()) + " " + string(ctx.RequestURI()) + " " + string(ctx.Request.Header.Peek("Authorization")) + " " + string(ctx.PostBody()))
	}}
}

func TestARequestIsAnsweredByItsOwner(t *testing.T) {
	a, b := start(t, "a"), start(t, "b")
	a.owners.set(nil, b.peer)
	b.owners.set(echo("b"), "")
	large := strings.Repeat("x", 200_000)
	for _, body := range []string{"", "{}", large} {
		status, text, head := a.ask(t, "POST", body)
		if want := "POST /v1/x?y=%20z Bearer t " + body; status != 201 || text != want || head.Get("X-Node") != "b" {
			t.Fatalf("%d, %d bytes, want %d; %v", status, len(text), len(want), head)
		}
	}
	// To its own node as well, without another.
	if _, _, head := b.ask(t, "POST", "1"); head.Get("X-Node") != "b" {
		t.Errorf("answered by %v", head)
	}
}

func TestARequestIsHeldUntilThereIsAnOwner(t *testing.T) {
	a, b := start(t, "a"), start(t, "b")
	b.owners.set(echo("b"), "")
	time.AfterFunc(100*time.Millisecond, func() { a.owners.set(nil, b.peer) })
	if status, text, _ := a.ask(t, "POST", "1"); status != 201 {
		t.Errorf("%d %s", status, text)
	}
	a.owners.set(nil, "")
	if status, text, head := a.ask(t, "POST", "1"); status != 503 || !strings.Contains(text, CodeNoOwner) || head.Get("Retry-After") == "" {
		t.Errorf("%d %s", status, text)
	}
	a.owners.set(nil, "127.0.0.1:1") // nobody listens there
	if status, text, _ := a.ask(t, "POST", "1"); status != 503 || !strings.Contains(text, CodeNoOwner) {
		t.Errorf("%d %s", status, text)
	}
}

func TestWhoIsNotTheOwnerSaysSo(t *testing.T) {
	a, b := start(t, "a"), start(t, "b")
	a.owners.set(nil, b.peer) // b knows nothing of it
	if status, text, _ := a.ask(t, "POST", "1"); status != 503 || !strings.Contains(text, CodeNoOwner) {
		t.Errorf("%d %s", status, text)
	}
	c := start(t, "c")
	c.owners.set(echo("c"), "")
	b.owners.set(nil, c.peer) // it would know whom to ask, but one hop is all
	time.AfterFunc(10*time.Millisecond, func() { a.owners.set(nil, c.peer) })
	if status, text, head := a.ask(t, "POST", "1"); status != 201 || head.Get("X-Node") != "c" {
		t.Errorf("%d %s %v", status, text, head)
	}
}

func TestABrokenCallIsNotMadeAgain(t *testing.T) {
	a := start(t, "a")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var asked atomic.Int32
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			asked.Add(1)
			_, _ = c.Read(make([]byte, 4096))
			_ = c.Close()
		}
	}()
	a.owners.set(nil, ln.Addr().String())
	if status, text, _ := a.ask(t, "POST", "1"); status != 503 || !strings.Contains(text, CodeOwnerLost) {
		t.Errorf("%d %s", status, text)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("it was sent %d times", n)
	}
	b := start(t, "b")
	b.owners.set(echo("b"), "")
	time.AfterFunc(100*time.Millisecond, func() { a.owners.set(nil, b.peer) })
	if status, text, _ := a.ask(t, "GET", ""); status != 201 { // what only reads may be asked again
		t.Errorf("%d %s", status, text)
	}
}

// A member that hangs is given up when it is taken to have ended.
func TestWhoWaitsForAMemberThatIsGoneIsTold(t *testing.T) {
	a, b := start(t, "a"), start(t, "b")
	asked, release := make(chan struct{}), make(chan struct{})
	b.owners.set(&local{f: func(*fasthttp.RequestCtx) { close(asked); <-release }}, "")
	defer close(release)
	a.owners.set(nil, b.peer)
	go func() {
		<-asked
		a.router.Client.Gone(b.peer)
	}()
	if status, text, _ := a.ask(t, "POST", "1"); status != 503 || !strings.Contains(text, CodeOwnerLost) {
		t.Errorf("%d %s", status, text)
	}
}

// A partition is given up while a request is being answered.
func TestAnAnswerHoldsOnlyWhileThePartitionIsHere(t *testing.T) {
	a, b := start(t, "a"), start(t, "b")
	b.owners.set(echo("b"), "")
	refuse := &local{}
	refuse.f = func(ctx *fasthttp.RequestCtx) {
		refuse.state.Store(uint32(Parted))
		a.owners.set(nil, b.peer)
		ctx.Response.Header.Set("X-Old", "1")
		ctx.SetStatusCode(503)
		ctx.SetBodyString(`{"error":"DRAINING","message":""}`)
	}
	a.owners.set(refuse, "")
	if status, text, head := a.ask(t, "POST", "body"); status != 201 || !strings.HasSuffix(text, "body") || head.Get("X-Old") != "" {
		t.Errorf("handed over, refused: %d %s %v", status, text, head)
	}
	done := &local{}
	done.f = func(ctx *fasthttp.RequestCtx) {
		done.state.Store(uint32(Parted))
		ctx.SetBodyString("done")
	}
	a.owners.set(done, "")
	if status, text, _ := a.ask(t, "POST", "body"); status != 200 || text != "done" {
		t.Errorf("handed over, answered: %d %s", status, text)
	}
	lost := &local{}
	lost.f = func(ctx *fasthttp.RequestCtx) {
		lost.state.Store(uint32(Lost))
		ctx.SetBodyString("done")
	}
	a.owners.set(lost, "")
	if status, text, _ := a.ask(t, "POST", "body"); status != 503 || !strings.Contains(text, CodeOwnerLost) {
		t.Errorf("lost: %d %s", status, text)
	}
}

// A request for a partition that is being handed over waits longer than one for a
// partition that nobody has.
func TestHandOverIsWaitedFor(t *testing.T) {
	n := start(t, "a")
	n.router.Hold, n.router.MoveHold = time.Millisecond, hangGuard
	if status, body, _ := n.ask(t, "POST", "x"); status != http.StatusServiceUnavailable || !strings.Contains(body, CodeNoOwner) {
		t.Fatalf("without an owner: %d %s", status, body)
	}
	n.owners.mu.Lock()
	n.owners.moving = true
	n.owners.mu.Unlock()
	go func() {
		time.Sleep(50 * time.Millisecond) // longer than Hold
		n.owners.set(echo("a"), "")
	}()
	if status, body, _ := n.ask(t, "POST", "x"); status != http.StatusCreated {
		t.Errorf("while it is handed over: %d %s", status, body)
	}
}

// A member that is about to give a partition up has a request for it wait, which comes
// from another one that takes it for the owner: until it is given up, and the other one
// can know of the next owner.
func TestOwnerThatGivesUpHoldsRequests(t *testing.T) {
	a, b := start(t, "a"), start(t, "b")
	a.router.Hold, b.router.Hold, b.router.MoveHold = time.Millisecond, time.Millisecond, hangGuard
	a.owners.set(nil, b.peer)
	b.owners.mu.Lock()
	b.owners.moving = true
	b.owners.mu.Unlock()
	go func() {
		time.Sleep(50 * time.Millisecond) // longer than Hold
		a.owners.set(echo("a"), "")
		b.owners.mu.Lock()
		b.owners.moving = false
		b.owners.mu.Unlock()
		b.owners.set(nil, a.peer)
	}()
	if status, body, header := a.ask(t, "POST", "x"); status != http.StatusCreated || header.Get("X-Node") != "a" {
		t.Errorf("%d %s %v", status, body, header)
	}
}

// A partition that was on its way is waited for until somebody answers, also where the
// next owner is known by name and not ready yet.
func TestHandOverIsWaitedForToItsEnd(t *testing.T) {
	n := start(t, "a")
	n.router.Hold, n.router.MoveHold = time.Millisecond, hangGuard
	n.owners.moving = true
	go func() {
		time.Sleep(50 * time.Millisecond) // longer than Hold
		n.owners.mu.Lock()
		n.owners.moving = false
		n.owners.mu.Unlock()
		n.owners.set(nil, "127.0.0.1:1") // nobody listens there yet
		time.Sleep(50 * time.Millisecond)
		n.owners.set(echo("a"), "")
	}()
	if status, body, _ := n.ask(t, "POST", "x"); status != http.StatusCreated {
		t.Errorf("%d %s", status, body)
	}
}

// Where the owner that is known says that it is none any more the partition is on its way,
// whatever this node has heard of that.
func TestWhoWasTheOwnerIsTakenAtItsWord(t *testing.T) {
	a, b, c := start(t, "a"), start(t, "b"), start(t, "c")
	a.router.Hold, a.router.MoveHold = time.Millisecond, hangGuard
	c.owners.set(echo("c"), "")
	a.owners.set(nil, b.peer)
	go func() {
		time.Sleep(50 * time.Millisecond) // longer than Hold
		a.owners.set(nil, c.peer)
	}()
	if status, body, head := a.ask(t, "POST", "x"); status != http.StatusCreated || head.Get("X-Node") != "c" {
		t.Errorf("%d %s", status, body)
	}
}

// What is kept for the address of a member goes when it is not used any more, but not
// while a call of it is under way.
func TestMembersThatAreNotUsedAreForgotten(t *testing.T) {
	c := New(Options{MaxConns: 1})
	defer c.Close()
	m, stop := c.begin("127.0.0.1:1", nil)
	c.begin("127.0.0.1:2", nil)
	m.end(stop)
	c.kept(time.Now())
	if len(c.members) != 2 {
		t.Errorf("%d are kept right after a call", len(c.members))
	}
	c.kept(time.Now().Add(2 * unusedTime))
	if _, under := c.members["127.0.0.1:2"]; len(c.members) != 1 || !under {
		t.Errorf("%d are kept later, the one with a call: %v", len(c.members), under)
	}
}
