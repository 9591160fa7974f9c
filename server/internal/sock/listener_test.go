package sock

import (
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// listening serves nothing: what it accepts goes into the channel.
func listening(t *testing.T, limits Limits) (*Listener, chan net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, accepted := NewListener(ln, limits, slog.New(slog.DiscardHandler)), make(chan net.Conn)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l, accepted
}

func dial(t *testing.T, l *Listener) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second)) // against hanging
	return c
}

// Which limit is met first, what is told, and that closing makes room.
func TestConnectionsOverALimitAreRefused(t *testing.T) {
	for _, tc := range []struct {
		limits Limits
		met    Limit
	}{
		{Limits{All: 2}, LimitAll},
		{Limits{All: 2, PerSource: 3}, LimitAll},
		{Limits{All: 3, PerSource: 2}, LimitPerSource},
		{Limits{All: 2, PerSource: 1, Exempt: netip.Addr.IsLoopback}, LimitAll},
	} {
		for _, answer := range []string{"", "full"} {
			var met []Limit
			limits := tc.limits
			limits.Refused = func(l Limit) { met = append(met, l) }
			if answer != "" {
				limits.Answer = func(l Limit) []byte { return []byte(answer) }
			}
			l, accepted := listening(t, limits)
			dial(t, l)
			first := <-accepted
			dial(t, l)
			second := <-accepted
			for range 3 {
				c := dial(t, l)
				if answer != "" { // which must arrive although this was not read
					sends(t, c, "a request")
				}
				if got, err := io.ReadAll(c); err != nil || string(got) != answer {
					t.Fatalf("%v: told %q, %v; want %q", tc, got, err, answer)
				}
				c.Close()
			}
			first.Close()
			dial(t, l)
			third := <-accepted
			if !slices.Equal(met, []Limit{tc.met, tc.met, tc.met}) {
				t.Errorf("%v: met %v", tc, met)
			}
			second.Close()
			third.Close()
			third.Close() // once more gives nothing back
			if open := l.open.Load(); open != 0 || len(l.sources.open) != 0 {
				t.Errorf("%v: with nothing open %d and %v are counted", tc, open, l.sources.open)
			}
		}
	}
}

// peerConn is a connection from anywhere.
type peerConn struct {
	net.Conn
	peer net.Addr
}

func (c peerConn) RemoteAddr() net.Addr { return c.peer }

func TestSourcesAreCountedApart(t *testing.T) {
	l := NewListener(nil, Limits{PerSource: 2, Exempt: netip.Addr.IsLoopback}, slog.New(slog.DiscardHandler))
	from := func(addr string) (netip.Addr, bool) {
		source := l.counted(peerConn{peer: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(addr), 1234))})
		return source, l.sources.take(source, l.PerSource)
	}
	var held []netip.Addr
	for _, tc := range []struct {
		addr string
		ok   bool
	}{
		{"192.0.2.1", true}, {"::ffff:192.0.2.1", true}, {"192.0.2.1", false}, // one address, two forms
		{"192.0.2.2", true},
		{"2001:db8:0:1::1", true}, {"2001:db8:0:1:ffff::2", true}, {"2001:db8:0:1::3", false}, // one network
		{"2001:db8:0:2::1", true},
		{"fe80::1%eth0", true},
		{"127.0.0.1", true}, {"127.0.0.1", true}, {"127.0.0.1", true}, {"::1", true}, {"::1", true}, {"::1", true},
	} {
		source, ok := from(tc.addr)
		if ok != tc.ok {
			t.Errorf("%s: taken %v, want %v", tc.addr, ok, tc.ok)
		}
		if ok {
			held = append(held, source)
		}
	}
	if len(l.sources.open) != 5 {
		t.Errorf("sources: %v", l.sources.open)
	}
	for _, source := range held {
		l.sources.release(source)
	}
	if len(l.sources.open) != 0 {
		t.Errorf("with nothing open %v is kept", l.sources.open)
	}
	if l.counted(peerConn{peer: &net.UnixAddr{}}).IsValid() {
		t.Error("a peer without an IP address is counted")
	}
}

// A denied source learns nothing but that the connection is closed, and takes no
// place of others.
func TestDeniedSource(t *testing.T) {
	var denied atomic.Bool
	denied.Store(true)
	l, accepted := listening(t, Limits{All: 1, Deny: func(source netip.Addr) bool {
		if source != netip.MustParseAddr("127.0.0.1") {
			t.Errorf("asked about %v", source)
		}
		return denied.Load()
	}, Answer: func(Limit) []byte { return []byte("full") }})
	for range 3 {
		if b, _ := io.ReadAll(dial(t, l)); len(b) != 0 {
			t.Errorf("read %q", b)
		}
	}
	denied.Store(false)
	dial(t, l)
	select {
	case <-accepted:
	case <-time.After(30 * time.Second):
		t.Fatal("not accepted")
	}
}
