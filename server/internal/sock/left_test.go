package sock

import (
	"net"
	"testing"
	"time"
)

// HasLeft sees a peer that has closed or reset the connection, also behind bytes
// that nobody has read, and costs no allocation.
func TestHasLeft(t *testing.T) {
	pair := func(t *testing.T) (*Conn, *net.TCPConn) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		peer, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		accepted, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c := New(accepted.(*net.TCPConn), nil)
		t.Cleanup(func() { c.Close(); peer.Close() })
		if c.HasLeft() {
			t.Error("before anything was read")
		}
		if _, err := peer.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := c.Await(); err != nil {
			t.Fatal(err)
		}
		return c, peer.(*net.TCPConn)
	}
	leaves := func(t *testing.T, c *Conn) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); !c.HasLeft(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the peer is taken to be there")
			}
		}
	}
	t.Run("is there", func(t *testing.T) {
		c, peer := pair(t)
		if _, err := peer.Write([]byte("more")); err != nil {
			t.Fatal(err)
		}
		if c.HasLeft() {
			t.Error("taken to have left")
		}
		if n := testing.AllocsPerRun(100, func() { c.HasLeft() }); n > 0.5 {
			t.Errorf("%v allocations", n)
		}
	})
	t.Run("closed", func(t *testing.T) {
		c, peer := pair(t)
		_, _ = peer.Write([]byte("unread"))
		peer.Close()
		leaves(t, c)
	})
	t.Run("reset", func(t *testing.T) {
		c, peer := pair(t)
		_ = peer.SetLinger(0)
		peer.Close()
		leaves(t, c)
	})
	t.Run("half closed", func(t *testing.T) {
		c, peer := pair(t)
		_ = peer.CloseWrite()
		leaves(t, c)
	})
	t.Run("closed here", func(t *testing.T) {
		c, _ := pair(t)
		c.Close()
		if !c.HasLeft() {
			t.Error("taken to be there")
		}
	})
}
