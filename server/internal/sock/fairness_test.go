package sock

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"

	"github.com/valyala/fasthttp"
)

// A request that lies in its socket is served after about as many others as
// there are connections, although all of those are busy at once. That is not so
// when a connection that has just answered lets others run before it reads: its
// next request is there by then, so it goes on without waiting. The runtime asks
// the network for more only once nobody wants to run, and connections that had
// to wait are forgotten meanwhile.
//
// Nothing is measured in time: the order of the requests at the handler counts.
// The busy connections are pairs: the handler, serving one of a pair, sends the
// other one's next request. So requests come as soon as a fast client's would,
// however busy the machine is. A round begins with all of them in the handler.
func TestNoConnectionIsForgottenWhileOthersAreServed(t *testing.T) {
	const (
		busy     = 8
		rounds   = 50
		turns    = 400 // of the busy connections in a round
		sendAt   = 50  // the turn in which the quiet connection gets its request
		most     = 4 * (busy + 1)
		oddities = rounds / 10 // the machine may stop a thread at the wrong moment
	)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // another thread would ask the network
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var (
		mu      sync.Mutex
		turn    int
		waits   []int
		clients []net.Conn
		arrived int                           // of the round's first requests
		gate    chan struct{}                 // closed when all have arrived
		over    = make(chan struct{}, busy+1) // a connection's last answer in the round
	)
	sendTo := func(i int) {
		if _, err := fmt.Fprintf(clients[i], "GET /%d HTTP/1.1\r\nHost: x\r\n\r\n", i); err != nil {
			t.Error(err)
		}
	}
	s := &fasthttp.Server{NoDefaultDate: true, NoDefaultServerHeader: true, Handler: func(ctx *fasthttp.RequestCtx) {
		mu.Lock()
		if arrived++; arrived == busy {
			close(gate)
		}
		opened := gate
		mu.Unlock()
		<-opened
		mu.Lock()
		defer mu.Unlock()
		i := int(ctx.Path()[1] - '0')
		if i == busy {
			waits = append(waits, turn-sendAt)
			over <- struct{}{}
			return
		}
		turn++
		if turn == sendAt {
			sendTo(busy)
		}
		if turn <= turns {
			sendTo(i ^ 1)
		} else {
			over <- struct{}{}
		}
	}}
	served := make(chan error, 1)
	go func() { served <- s.Serve(connListener{ln}) }()
	for range busy + 1 {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		go func() { _, _ = io.Copy(io.Discard, c) }()
		clients = append(clients, c)
	}
	for range rounds {
		mu.Lock()
		turn, arrived, gate = 0, 0, make(chan struct{})
		mu.Unlock()
		for i := range busy {
			sendTo(i)
		}
		for range busy + 1 { // each busy connection's request has no successor, and the quiet one's has come
			<-over
		}
	}
	long := 0
	for _, n := range waits {
		if n > most {
			long++
		}
	}
	if long > oddities {
		t.Errorf("in %d of %d rounds a request waited for more than %d turns of %d others: %d", long, rounds, most, busy, waits)
	}
	if err := s.Shutdown(); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// connListener accepts Conns.
type connListener struct{ net.Listener }

func (l connListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return New(c.(*net.TCPConn), nil), nil
}
