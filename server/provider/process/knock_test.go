package process

import (
	"io"
	"net"
	"testing"
)

func TestKnock(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	for range 100 {
		c, err := knock(port)
		if err != nil {
			t.Fatal("somebody listens, and it does not show:", err)
		}
		far, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(far, "hello"); err != nil {
			t.Fatal(err)
		}
		far.Close()
		if text, err := io.ReadAll(c); string(text) != "hello" {
			t.Fatalf("%q %v", text, err)
		}
		c.Close()
	}
	l.Close()
	before := openFiles(t)
	for range 100 {
		if _, err := knock(port); err == nil {
			t.Fatal("nobody listens")
		}
	}
	if n := openFiles(t); n > before {
		t.Errorf("%d more files are open", n-before)
	}
}

func BenchmarkKnockInVain(b *testing.B) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	for b.Loop() {
		if _, err := knock(port); err == nil {
			b.Fatal("nobody listens")
		}
	}
}
