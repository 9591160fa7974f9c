package process

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"

	"simplane/server/provider"
	"simplane/server/provider/process/sockdiag"
)

// squatter listens on a function's port, answers everything with "squatter"
// and counts the bytes it gets. To the provider it is a stranger: it is not a
// process of the instance.
type squatter struct {
	net.Listener
	got atomic.Int64
}

func squat(t *testing.T, port int) *squatter {
	t.Helper()
	if !sockdiag.Supported() {
		t.Skip("NOT TESTED: this kernel has no sock_diag")
	}
	var l net.Listener
	eventually(t, "the port is free", func() (ok bool) {
		var err error
		l, err = net.Listen("tcp4", "127.0.0.1:"+strconv.Itoa(port))
		return err == nil
	})
	s := &squatter{Listener: l}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 4096)
				n, _ := c.Read(buf)
				s.got.Add(int64(n))
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n\"squatter\"")
			}()
		}
	}()
	t.Cleanup(func() {
		s.Close()
		if n := s.got.Load(); n > 0 {
			t.Errorf("the squatter got %d bytes", n)
		}
	})
	return s
}

func TestPortThatAnotherProcessTookFirst(t *testing.T) {
	p := start(t, Options{BackoffBase: hang, BackoffMax: hang})
	file := filepath.Join(t.TempDir(), "port")
	provision(t, p, provider.Deployment{Name: "late", Replicas: 1, Env: map[string]string{"FILE": file},
		RuntimeCommand: `echo $PORT > "$FILE"; exec sleep 1000`})
	squat(t, readPID(t, file))
	wantCode(t, invoke(t, p, "late", `"secret"`), provider.CodeStartFailed, "not the function's", "user "+strconv.Itoa(os.Getuid()))
}

// reopening starts the function that closes its listener on SIGUSR1.
func reopening(t *testing.T) (p *Provider, l *listener) {
	t.Helper()
	p = start(t, Options{HealthInterval: hang})
	d := self(t, "http-reopens")
	d.Env["PID"] = filepath.Join(t.TempDir(), "pid")
	provision(t, p, d)
	wantOutput(t, invoke(t, p, d.Name, `1`), `"1"`)
	g, err := p.guardProcess()
	if err != nil {
		t.Fatal(err)
	}
	e := p.Endpoints(d.Name)[0]
	_, port, _ := net.SplitHostPort(e.Address)
	l = &listener{id: e.ID, leader: readPID(t, d.Env["PID"]), guard: g.PID(), user: p.user.uid}
	l.port, err = strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return p, l
}

func signalTo(t *testing.T, pid int, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, sig); err != nil {
		t.Error(err)
	}
}

func TestPortThatAnotherProcessTookLater(t *testing.T) {
	p, l := reopening(t)
	signalTo(t, l.leader, syscall.SIGUSR1)
	squat(t, l.port)
	for range 5 { // ejected or not
		wantCode(t, invoke(t, p, "http-reopens", `"secret"`), provider.CodeError, "not the function's")
	}
}

// The squatter has the connection and has gone by the time of the look, which
// finds the function.
func TestSquatterThatMakesRoomInTime(t *testing.T) {
	_, l := reopening(t)
	c, err := l.connect(hang)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	signalTo(t, l.leader, syscall.SIGUSR1)
	s := squat(t, l.port)
	made := 0
	c, err = l.dial(func() (net.Conn, error) {
		c, err := net.Dial("tcp4", l.address())
		if made++; made == 1 {
			s.Close()
			signalTo(t, l.leader, syscall.SIGUSR2)
			eventually(t, "the function listens again", func() bool { _, err := sockdiag.Loopback(l.port); return err == nil })
		}
		return c, err
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if made != 2 {
		t.Errorf("%d connections were made, want another one than the squatter's", made)
	}
}

// Whatever the function is started through, its server is found.
func TestServerThatIsNotTheFirstProcess(t *testing.T) {
	p := start(t, Options{})
	exe := self(t, "http").Commands[0]
	for name, script := range map[string]string{
		"child":      `"$EXE"; exit $?`,
		"grandchild": `sh -c '"$EXE"; exit $?'; exit $?`,
		"daemon":     `(setsid "$EXE" </dev/null &); exec sleep 1000`,
	} {
		provision(t, p, provider.Deployment{Name: name, Replicas: 1, RuntimeCommand: script,
			Env: map[string]string{"EXE": exe, "SIMPLANE_TEST_ROLE": "http"}})
		if r := invoke(t, p, name, `1`); !r.OK() {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
