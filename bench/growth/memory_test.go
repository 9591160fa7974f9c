package growth

import (
	"context"
	"net"
	"os"
	"testing"

	"simplane/bench/child"
)

// The test binary doubles as a server that uses memory and gives it back.
func TestMain(m *testing.M) {
	if os.Getenv("GROWTH_ROLE") != "server" {
		os.Exit(m.Run())
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		os.Exit(1)
	}
	b := make([]byte, 64<<20)
	for i := range b {
		b[i] = 1
	}
	os.Stdout.WriteString("listening on " + l.Addr().String() + " " + string('0'+b[9]) + "\n")
	select {}
}

func TestMemoryOfTheServer(t *testing.T) {
	t.Setenv("GROWTH_ROLE", "server")
	p, err := child.Start(context.Background(), "server", 1, os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	n := node{proc: p}
	m := n.memory()
	if m.now < 64<<20 || m.now > 1<<30 || m.peak < m.now {
		t.Errorf("64 MiB in use show as %+v", m)
	}
	n.forgetPeak()
	if again := n.memory(); again.peak > m.peak || again.peak < 64<<20 {
		t.Errorf("the peak was %v and became %v", m.peak, again.peak)
	}
	p.Stop()
	if gone := n.memory(); gone != (memory{}) {
		t.Errorf("a process that is gone has %+v", gone)
	}
}
