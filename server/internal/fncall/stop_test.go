package fncall

import (
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"simplane/server/internal/sock"
)

// A call that is broken off ends while the function still keeps its answer, and
// its connection carries no other call.
func TestACallCanBeBrokenOff(t *testing.T) {
	asked, closed := make(chan struct{}), make(chan struct{})
	target := peer(t, func(c net.Conn, _ *http.Request, n int) bool {
		asked <- struct{}{}
		_, _ = io.Copy(io.Discard, c) // until the other end hangs up
		close(closed)
		return false
	})
	var stop sock.Stop
	go func() { <-asked; stop.Now() }()
	r := &Request{Input: []byte("1"), Deadline: time.Now().Add(time.Hour), Stop: &stop}
	if _, err := target.Call(r); err == nil {
		t.Fatal("there was an answer")
	}
	<-closed
	if n := target.conns.ConnsCount(); n != 0 {
		t.Errorf("%d connections are kept", n)
	}
	if _, err := target.Call(r); err == nil {
		t.Error("a call that was broken off before it began was made")
	}
}
