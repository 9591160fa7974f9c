package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"simplane/server/harness/node"
	"simplane/server/harness/replicas"
)

// moving is a function whose processes tell of themselves in a directory, and answer
// once the file "open" is there.
type moving struct{ dir, name string }

func (m *moving) spec(mode string) string {
	line := fmt.Sprintf(`D='%s'; touch $D/up.$$; echo up $$ >&2; while read -r line; do touch $D/busy.$$; while [ ! -e $D/open ]; do sleep 0.05; done; echo "{\"output\":\"$$\"}"; done`, m.dir)
	if mode == "EXEC" {
		line = fmt.Sprintf(`D='%s'; touch $D/up.$$; cat > /dev/null; touch $D/busy.$$; while [ ! -e $D/open ]; do sleep 0.05; done; echo "{\"output\":\"$$\"}"`, m.dir)
	}
	return fmt.Sprintf(`{"name":%q,"image":"i","runtimeMode":%q,"runtimeCommand":%q,"timeoutMillis":60000,"maxRetries":3,"concurrency":1,
		"retryBackoff":{"initialMs":1,"jitter":0},"scalingConfig":{"strategy":"NONE","minReplicas":1,"maxReplicas":1}}`, m.name, mode, line)
}

func (m *moving) pids(kind string) (list []int) {
	names, _ := filepath.Glob(filepath.Join(m.dir, kind+".*"))
	for _, name := range names {
		if pid, err := strconv.Atoi(strings.TrimPrefix(filepath.Ext(name), ".")); err == nil && syscall.Kill(pid, 0) == nil {
			list = append(list, pid)
		}
	}
	return list
}

// Functions of the process provider on three nodes: one node is killed, and one is
// stopped in order, while attempts of each function run. What was acknowledged ends, the
// nodes that go leave no process behind, and each function has one instance.
func TestProcessesMoveFromNodesThatGo(t *testing.T) {
	if testing.Short() {
		t.Skip("a node that was killed is missed after six seconds")
	}
	g, err := replicas.Start(context.Background(), replicas.Options{
		Binary: binary, Dir: t.TempDir(), Nodes: 3, Args: []string{"--provider", "process", "--rate-max-per-second", "0", "--shutdown-grace", "60s"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	client := &http.Client{Timeout: hangGuard}
	at := 2 // the node that stays
	call := func(method, path, body string) node.Answer {
		t.Helper()
		a, err := node.Call(client, method, g.URL(at)+path, strings.NewReader(body))
		if err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
		return a
	}
	eventually := func(what string, cond func() bool) {
		t.Helper()
		for began := time.Now(); !cond(); time.Sleep(50 * time.Millisecond) {
			if time.Since(began) > hangGuard {
				log := ""
				if n := g.Node(at); n != nil {
					log = n.Log()
				}
				t.Fatalf("waited in vain: %s; log:\n%s", what, log)
			}
		}
	}
	status := func(id string) string {
		t.Helper()
		a := call("GET", "/v1/executions/"+id, "")
		if a.Status != http.StatusOK {
			t.Fatalf("%s: %d %s", id, a.Status, a.Body)
		}
		return string(a.Body)
	}
	var functions []*moving
	ids := map[*moving][]string{}
	for n := range 12 {
		m := &moving{t.TempDir(), fmt.Sprint("fn", n)}
		mode := "STDIO"
		if n%3 == 2 {
			mode = "EXEC"
		}
		if a := call("POST", "/v1/functions", m.spec(mode)); a.Status != http.StatusCreated {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		functions = append(functions, m)
		for range 3 {
			a := call("POST", "/v1/functions/"+m.name+":enqueue", `{"input":1}`)
			if a.Status != http.StatusAccepted {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
			ids[m] = append(ids[m], field(t, a.Body, "executionId"))
		}
	}
	busy := func() bool {
		for _, m := range functions {
			if len(m.pids("busy")) == 0 {
				return false
			}
		}
		return true
	}
	eventually("an attempt of each runs", busy)

	g.Kill(0)
	eventually("an attempt of each runs, and nothing of the node that was killed", func() bool {
		for _, m := range functions {
			if len(m.pids("busy")) != 1 || len(m.pids("up")) != 1 {
				return false
			}
		}
		return true
	})
	// It comes back, and functions move to it from nodes that go on.
	if err := g.Launch(0); err != nil {
		t.Fatal(err)
	}
	if err := g.Ready(context.Background(), 0); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- g.Stop(1) }()
	time.Sleep(2 * time.Second)
	for _, m := range functions {
		for _, id := range ids[m] {
			if s := status(id); strings.Contains(s, `"status":"error"`) {
				t.Errorf("%s: %s", m.name, s)
			}
		}
		if err := os.WriteFile(filepath.Join(m.dir, "open"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range functions {
		for _, id := range ids[m] {
			last := ""
			eventually(m.name+" ends", func() bool {
				last = status(id)
				return !strings.Contains(last, `"status":"running"`) && !strings.Contains(last, `"status":"queued"`)
			})
			if !strings.Contains(last, `"status":"success"`) {
				t.Errorf("%s: %s", m.name, last)
			}
		}
	}
	if err := <-stopped; err != nil {
		t.Errorf("stopping: %v", err)
	}
	eventually("one instance of each is left, and none of a call", func() bool {
		for n, m := range functions {
			if want := map[bool]int{true: 0, false: 1}[n%3 == 2]; len(m.pids("up")) != want {
				return false
			}
		}
		return true
	})
	for n, m := range functions {
		if a := call("POST", "/v1/functions/"+m.name+":invoke", `{"input":1}`); !strings.Contains(string(a.Body), `"status":"success"`) {
			t.Errorf("%s: %d %s", m.name, a.Status, a.Body)
		}
		if n%3 == 2 {
			continue
		}
		if a := call("GET", "/v1/functions/"+m.name+"/logs", ""); !strings.Contains(string(a.Body), fmt.Sprint("up ", m.pids("up")[0])) {
			t.Errorf("logs of %s: %s", m.name, a.Body)
		}
	}
	g.Close()
	eventually("nothing is left behind", func() bool {
		for _, m := range functions {
			if len(m.pids("up")) > 0 {
				return false
			}
		}
		return true
	})
}

func field(t *testing.T, body []byte, name string) string {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal(body, &fields); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	s, _ := fields[name].(string)
	return s
}
