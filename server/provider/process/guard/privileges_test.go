package guard

import (
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
)

// status are the lines of /proc/self/status of a program that the guard starts
// through a shell.
func status(t *testing.T, g *Guard) map[string]string {
	t.Helper()
	p, out, err := shell(g, "looks", "cat /proc/self/status; exit 0")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	text, _ := io.ReadAll(out)
	<-p.Done()
	lines := map[string]string{}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(line, ":")
		lines[key] = strings.TrimSpace(value)
	}
	return lines
}

func TestNoPrivilegesAreLeft(t *testing.T) {
	g := start(t)
	if g.Weak() != "" {
		t.Errorf("the guard says: %s", g.Weak())
	}
	got := status(t, g)
	if got["NoNewPrivs"] != "1" {
		t.Errorf("NoNewPrivs is %q", got["NoNewPrivs"])
	}
	sets := []string{"CapInh", "CapPrm", "CapEff", "CapAmb"}
	if os.Geteuid() == 0 {
		sets = append(sets, "CapBnd")
	} else {
		t.Log("NOT TESTED: what root keeps; that needs root")
	}
	for _, set := range sets {
		if n, err := strconv.ParseUint(got[set], 16, 64); n != 0 || err != nil {
			t.Errorf("%s is %q", set, got[set])
		}
	}
}

// The guard itself can still limit and kill another user's process.
func TestProcessOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: processes of another user; that needs root")
	}
	g := start(t)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p, err := g.Spawn(t.Context(), "other", Command{
		Path: "/bin/sh", Args: []string{"sh", "-c", "id -u; id -g; id -G; echo; exec sleep 1000"}, Dir: "/", Env: []string{"PATH=" + os.Getenv("PATH")},
		User: &User{UID: 12345, GID: 23456, Groups: []uint32{34567}}, MaxFileSize: 4096,
	}, null, w, null)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if p.Unlimited != "" {
		t.Errorf("not limited: %s", p.Unlimited)
	}
	var said strings.Builder
	for one := make([]byte, 1); !strings.HasSuffix(said.String(), "\n\n"); {
		if _, err := r.Read(one); err != nil {
			t.Fatal(said.String(), err)
		}
		said.Write(one)
	}
	if said.String() != "12345\n23456\n23456 34567\n\n" {
		t.Errorf("it is user and groups %q", said.String())
	}
	limits, err := os.ReadFile("/proc/" + strconv.Itoa(p.PID) + "/limits")
	if err != nil || !strings.Contains(string(limits), "Max file size             4096                 4096") {
		t.Errorf("its limits are %s, %v", limits, err)
	}
	p.Kill()
	<-p.Done()
}
