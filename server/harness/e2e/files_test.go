package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"simplane/server/harness/node"
)

// dial opens connections that say nothing; they are closed at the test's end.
func dial(t *testing.T, base string, n int) []net.Conn {
	t.Helper()
	var conns []net.Conn
	t.Cleanup(func() { hangUp(conns) })
	for range n {
		c, err := net.DialTimeout("tcp", strings.TrimPrefix(base, "http://"), hangGuard)
		if err != nil {
			t.Fatalf("connection %d: %v", len(conns)+1, err)
		}
		conns = append(conns, c)
	}
	return conns
}

func hangUp(conns []net.Conn) {
	for _, c := range conns {
		c.Close()
	}
}

// ask sends a request on an open connection and returns the status; 0 when the
// connection was closed without an answer.
func ask(t *testing.T, c net.Conn) int {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(hangGuard))
	if _, err := io.WriteString(c, "POST /v1/functions/f:invoke HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n{\"input\":1}"); err != nil {
		return 0
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp.StatusCode
}

const local = `{"name":"f","image":"none","executionMode":"LOCAL"}`

// With few file descriptors a flood of connections is refused; the management
// port, the connections that were there and functions' calls keep working.
func TestConnectionFloodBeyondTheFileLimit(t *testing.T) {
	t.Parallel()
	const files = 400 // room for 204 API connections
	f := start(t, node.Options{Files: files})
	f.register(local)
	h := hold(f, "HTTP", httpScript, 0)
	h.letGo()
	old := dial(t, f.API, 1)[0]
	if got := ask(t, old); got != 200 {
		t.Fatalf("status %d before the flood", got)
	}

	flood := dial(t, f.API, 2*files)
	refused := 0
	for _, c := range flood[files:] { // these came last
		switch got := ask(t, c); got {
		case http.StatusServiceUnavailable, 0:
			refused++
		default:
			t.Fatalf("a connection beyond the bound was answered with %d", got)
		}
	}
	if refused != files {
		t.Errorf("%d of %d refused", refused, files)
	}
	if got := f.files(); got >= files {
		t.Errorf("%d files are open with a limit of %d: nothing is left for calls", got, files)
	}
	if got := ask(t, old); got != 200 {
		t.Errorf("status %d on the connection that was there first", got)
	}
	if a := f.call("GET", f.Mgmt+"/actuator/health/readiness", ""); a.Status != 200 {
		t.Errorf("readiness on the management port: %d", a.Status)
	}
	if a := f.call("POST", f.Mgmt+"/v1/functions/held:invoke", `{"input":1}`); !strings.Contains(string(a.Body), "success") {
		t.Errorf("a function process could not be called: %d %s", a.Status, a.Body)
	}
	hangUp(flood)
	f.eventually("invocations are answered again", func() bool {
		r, err := f.tryInvoke("f", `1`)
		return err == nil && r.Status == "success"
	})
}

// Not one descriptor is left: accepting pauses, the server lives, and goes on
// by itself once there are some.
func TestNoFileDescriptorLeft(t *testing.T) {
	t.Parallel()
	f := start(t, node.Options{})
	f.register(local)
	old := dial(t, f.API, 1)[0]
	if got := ask(t, old); got != 200 {
		t.Fatalf("status %d at first", got)
	}
	var before unix.Rlimit
	if err := unix.Prlimit(f.PID(), unix.RLIMIT_NOFILE, nil, &before); err != nil {
		t.Skip(err)
	}
	none := unix.Rlimit{Cur: uint64(f.files()), Max: before.Max}
	if err := unix.Prlimit(f.PID(), unix.RLIMIT_NOFILE, &none, nil); err != nil {
		t.Skip(err)
	}
	waiting := dial(t, f.API, 3) // the kernel takes them; the server cannot
	f.eventually("the server notices", func() bool {
		f.alive()
		return strings.Contains(f.Log(), "connections cannot be accepted")
	})
	if got := ask(t, old); got != 200 {
		t.Errorf("status %d on the connection that was there", got)
	}
	if err := unix.Prlimit(f.PID(), unix.RLIMIT_NOFILE, &before, nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range waiting {
		if got := ask(t, c); got != 200 {
			t.Errorf("status %d on a connection that waited", got)
		}
	}
	f.alive()
}

func TestTenThousandIdleConnections(t *testing.T) {
	var mine unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &mine); err != nil {
		t.Fatal(err)
	}
	idle := min(10_000, int(mine.Cur)*7/10-400)
	if idle < 500 {
		t.Skipf("the limit of %d open files is too low", mine.Cur)
	}
	f := start(t, node.Options{Args: []string{"--idle-timeout", "10m", "--read-timeout", "10m"}})
	f.register(local)
	before := residentMiB(t, f.PID())
	conns := dial(t, f.API, idle)
	// The first, the last and some between have been served, so they are kept
	// alive; the others never said a word.
	for i := 0; i < idle; i += idle / 50 {
		if got := ask(t, conns[i]); got != 200 {
			t.Fatalf("connection %d: status %d", i, got)
		}
	}
	f.eventually("all are accepted", func() bool { return f.files() >= idle })
	for range 200 {
		f.succeeds("f", `1`)
	}
	if got := ask(t, conns[idle-1]); got != 200 {
		t.Errorf("status %d on the last of the idle connections", got)
	}
	t.Logf("%d idle connections: resident memory %d MiB, %d before", idle, residentMiB(t, f.PID()), before)
}

func residentMiB(t *testing.T, pid int) int {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Fatal(err)
	}
	var total, resident int
	if _, err := fmt.Sscan(string(raw), &total, &resident); err != nil {
		t.Fatal(err)
	}
	return resident * os.Getpagesize() >> 20
}
