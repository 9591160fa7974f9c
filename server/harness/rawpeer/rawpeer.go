// Package rawpeer is a function server for tests that does with its connections
// what no HTTP server would.
package rawpeer

import (
	"bufio"
	"net"
	"net/http"
	"testing"
)

// Start listens until t ends, and returns the address. It reads a request and
// calls talk with the connection, until talk returns false; n counts the
// connection's requests from 1.
func Start(t testing.TB, talk func(c net.Conn, r *http.Request, n int) (again bool)) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r := bufio.NewReader(c)
				for n := 1; ; n++ {
					req, err := http.ReadRequest(r)
					if err != nil || !talk(c, req, n) {
						return
					}
				}
			}()
		}
	}()
	return ln.Addr().String()
}
