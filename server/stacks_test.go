//go:build !race

package server

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
)

// A connection keeps the stack that its requests have needed until collections
// make it smaller, each by half. It doubles as it grows: what is left of 8 KiB
// once a call has been served at its deepest is the margin of this test. The race
// detector's frames are larger.
func TestTheStackOfAConnectionIsSmall(t *testing.T) {
	f := start(t)
	f.register("echo", "LOCAL")
	const connections = 400
	for _, keyed := range []bool{false, true} {
		inUse := func() int64 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int64(m.StackInuse)
		}
		before := inUse()
		for i := range connections {
			c, err := net.Dial("tcp", strings.TrimPrefix(f.api, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close() // not before the end: what it frees would be counted
			key := ""
			if keyed {
				key = fmt.Sprintf("Idempotency-Key: %d\r\n", i)
			}
			_ = c.SetDeadline(time.Now().Add(30 * time.Second))
			if _, err := fmt.Fprintf(c, "POST /v1/functions/echo:invoke HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n%sContent-Length: 11\r\n\r\n{\"input\":1}", key); err != nil {
				t.Fatal(err)
			}
			var head [12]byte
			if _, err := io.ReadFull(c, head[:]); err != nil || string(head[9:]) != "200" {
				t.Fatalf("%q, %v", head, err)
			}
		}
		// A collection meanwhile makes stacks smaller, never larger.
		if each := (inUse() - before) / connections; each > 10<<10 {
			t.Errorf("keys %v: a connection that has been served has a stack of %d bytes, want 8 KiB", keyed, each)
		}
	}
}
