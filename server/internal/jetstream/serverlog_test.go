package jetstream

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
)

// A server that is down is told of once, as a warning, and when it is back; what NATS
// warns of and is as it should be is not told at all. Each line is JSON where the log is.
func TestServerLog(t *testing.T) {
	var out bytes.Buffer
	l := newServerLog(slog.New(slog.NewJSONHandler(&out, nil)), "n1")
	down := func(port int) error {
		return &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}, Err: errors.New("connection refused")}
	}
	const format = "Error trying to connect to route (attempt %v): %v" // as the server has it
	for attempt := range 5 {
		l.Errorf(format, attempt, down(7001))
		l.Errorf(format, attempt, down(7002))
		l.Errorf(format, attempt, errors.New("lookup nobody: no such host"))
	}
	l.Warnf("Plaintext passwords detected, use nkeys or bcrypt")
	l.Warnf("Metalayer blocking snapshot took %.3fs", 0.5)
	l.Warnf("a %s", "warning")
	l.Errorf("an %s\n of two lines", "error")
	l.Noticef("127.0.0.1:51000 - rid:7 - Route connection created")
	for range 4 { // connections to one server
		l.Noticef("127.0.0.1:7001 - rid:8 - Route connection created (%s)", "127.0.0.1:7001")
	}
	l.Errorf(format, 1, down(7001))
	var got []string
	for line := range strings.Lines(out.String()) {
		var r struct{ Level, Msg, Server string }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		got = append(got, r.Level+" "+r.Msg+" "+r.Server)
	}
	const missed, back = "WARN engine: a server of the cluster is not reached; it is tried until it is ", "INFO engine: a server of the cluster is reached again "
	want := []string{
		missed + "127.0.0.1:7001", missed + "127.0.0.1:7002", missed + "lookup nobody: no such host",
		"WARN engine: a warning ", "ERROR engine: an error\n of two lines ", back + "127.0.0.1:7001", missed + "127.0.0.1:7001",
	}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("told\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for port := range 10 * maxMissing {
		l.Errorf(format, 1, down(port))
	}
	if len(l.missing) > maxMissing {
		t.Errorf("%d are remembered", len(l.missing))
	}
}
