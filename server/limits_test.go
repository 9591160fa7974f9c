package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"simplane/server/internal/auth"
	"simplane/server/internal/sock"
)

// limitLoopback makes the limit of an address hold for this machine's own
// connections too, which are all that a test has.
func limitLoopback(ln net.Listener) {
	if secure, ok := ln.(auth.TLSListener); ok {
		ln = secure.Listener
	}
	ln.(*sock.Listener).Exempt = nil
}

// dialAndAsk opens a connection and reads one answer; the error says that none
// came.
func (f *fixture) dialAndAsk(addr string) (net.Conn, *answer, error) {
	f.t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(hangGuard))
	fmt.Fprint(c, "GET /actuator/health HTTP/1.1\r\nHost: x\r\n\r\n")
	a, err := f.readAnswer(bufio.NewReader(c))
	return c, a, err
}

func (f *fixture) stopAtEnd() {
	f.t.Cleanup(func() {
		if err := f.shutdown(); err != nil {
			f.t.Errorf("shutdown: %v", err)
		}
	})
}

// One source gets its connections and no more, is told so, and has room again
// once it closes one. The management address counts for itself.
func TestConnectionsOfOneSourceAreBounded(t *testing.T) {
	f := build(t, func(c *Config) { c.MaxConnectionsPerIP = 2 })
	limitLoopback(f.s.apiAddr)
	limitLoopback(f.s.mgmtAddr)
	f.serve()
	f.stopAtEnd()
	ask := func(addr string) (net.Conn, *answer) {
		t.Helper()
		c, a, err := f.dialAndAsk(addr)
		if err != nil {
			t.Fatal(err)
		}
		return c, a
	}
	first, a := ask(f.s.Addr())
	a.expect(200)
	_, a = ask(f.s.Addr())
	a.expect(200)
	for range 3 {
		_, a = ask(f.s.Addr())
		a.refused(429, "TOO_MANY_CONNECTIONS")
		if a.header.Get("Retry-After") == "" || !strings.Contains(a.str("message"), "maxConnectionsPerIp") {
			t.Errorf("refusal: %v %s", a.header, a.body)
		}
	}
	_, a = ask(f.s.MgmtAddr())
	a.expect(200)
	if n := strings.Count(f.log.String(), "connections of one source are refused"); n != 1 || !strings.Contains(f.log.String(), "source=127.0.0.1") {
		t.Errorf("said %d times, want once: %s", n, f.log)
	}
	metrics := string(f.onMgmt("GET", "/actuator/prometheus", "").expect(200).body)
	for _, want := range []string{`simplane_connections_refused_total{limit="max_connections_per_ip"} 3`, `simplane_connections_refused_total{limit="max_connections"} 0`} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("the metrics have no %s", want)
		}
	}
	first.Close()
	f.eventually("there is room again", func() bool {
		c, a, err := f.dialAndAsk(f.s.Addr())
		c.Close()
		return err == nil && a.status == 200
	})
}

// This machine's own connections are not bounded, whatever the limit.
func TestConnectionsOfLoopbackAreNotBounded(t *testing.T) {
	f := start(t, func(c *Config) { c.MaxConnectionsPerIP = 1 })
	for range 5 {
		_, a, err := f.dialAndAsk(f.s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		a.expect(200)
	}
}

// A peer that expects a handshake could not read the refusal: it is hung up on.
func TestConnectionsOfOneSourceWithTLS(t *testing.T) {
	ours := newAuthority(t, "ours")
	certFile, keyFile := ours.issue(time.Hour)
	f := build(t, func(c *Config) { c.TLSCert, c.TLSKey, c.MaxConnectionsPerIP = certFile, keyFile, 1 })
	limitLoopback(f.s.apiAddr)
	f.serve()
	f.stopAtEnd()
	c, _ := dialTLS(t, f.s.Addr(), ours.trusting())
	if err := health(c); err != nil {
		t.Fatal(err)
	}
	second, err := net.Dial("tcp", f.s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	_ = second.SetDeadline(time.Now().Add(hangGuard))
	if raw, err := io.ReadAll(second); len(raw) > 0 || err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the second connection got %q, %v", raw, err)
	}
	if err := health(c); err != nil {
		t.Errorf("the first one: %v", err)
	}
}
