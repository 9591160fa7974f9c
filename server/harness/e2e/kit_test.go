// Package e2e proves what only real processes can: signals, killed functions,
// missing file descriptors, a log that cannot be written.
package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"simplane/server/harness/node"
)

// hangGuard ends a wait for something that never comes. It is no time limit on
// correct behaviour.
const hangGuard = time.Minute

var binary string

func TestMain(m *testing.M) {
	os.Exit(node.RunTests(m, node.Build, &binary))
}

type fixture struct {
	t *testing.T
	*node.Node
	client *http.Client
}

// start runs a node that is stopped, and must stop cleanly, at the test's end.
func start(t *testing.T, opt node.Options) *fixture {
	t.Helper()
	f := launch(t, opt)
	t.Cleanup(func() {
		f.client.CloseIdleConnections()
		if err := f.Stop(); err != nil {
			t.Errorf("stopping: %v; log:\n%s", err, f.Log())
		}
		if strings.Contains(f.Log(), "DATA RACE") {
			t.Errorf("data race in the server:\n%s", f.Log())
		}
	})
	return f
}

func launch(t *testing.T, opt node.Options) *fixture {
	t.Helper()
	opt.Binary = binary
	opt.Args = append([]string{"--rate-max-per-second", "0"}, opt.Args...)
	n, err := node.Start(opt)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, Node: n, client: &http.Client{Timeout: hangGuard, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	t.Cleanup(f.client.CloseIdleConnections)
	return f
}

// call makes a request that must be answered, with any status.
func (f *fixture) call(method, url, body string, headers ...string) node.Answer {
	f.t.Helper()
	a, err := node.Call(f.client, method, url, strings.NewReader(body), headers...)
	if err != nil {
		f.t.Fatalf("%s %s: %v; log:\n%s", method, url, err, f.Log())
	}
	return a
}

// files is how many files the server has open.
func (f *fixture) files() int {
	f.t.Helper()
	n, err := f.OpenFiles()
	if err != nil {
		f.t.Fatal(err)
	}
	return n
}

func (f *fixture) register(spec string) {
	f.t.Helper()
	if a := f.call("POST", f.API+"/v1/functions", spec); a.Status != http.StatusCreated {
		f.t.Fatalf("register: status %d: %s", a.Status, a.Body)
	}
}

// result is an invocation's answer.
type result struct {
	HTTP        int    `json:"-"`
	ExecutionID string `json:"executionId"`
	Status      string `json:"status"`
	Attempt     int    `json:"attempt"`
	Output      json.RawMessage
	Error       json.RawMessage
}

func (f *fixture) invoke(name, input string, headers ...string) result {
	f.t.Helper()
	r, err := f.tryInvoke(name, input, headers...)
	if err != nil {
		f.t.Fatalf("invoke %s: %v; log:\n%s", name, err, f.Log())
	}
	return r
}

// tryInvoke may be called from any goroutine.
func (f *fixture) tryInvoke(name, input string, headers ...string) (r result, err error) {
	a, err := node.Call(f.client, "POST", f.API+"/v1/functions/"+name+":invoke", strings.NewReader(`{"input":`+input+`}`), headers...)
	if err != nil {
		return r, err
	}
	r.HTTP = a.Status
	if err := json.Unmarshal(a.Body, &r); err != nil {
		return r, fmt.Errorf("status %d with body %.200s", a.Status, a.Body)
	}
	return r, nil
}

func (f *fixture) succeeds(name, input string) {
	f.t.Helper()
	if r := f.invoke(name, input); r.Status != "success" {
		f.t.Fatalf("invoke %s: %+v; log:\n%s", name, r, f.Log())
	}
}

// alive fails the test if the process has ended.
func (f *fixture) alive() {
	f.t.Helper()
	select {
	case <-f.Exited():
		f.t.Fatalf("the server has ended; log:\n%s", f.Log())
	default:
	}
}

func (f *fixture) eventually(what string, cond func() bool) {
	f.t.Helper()
	for deadline := time.Now().Add(hangGuard); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			f.t.Fatalf("waited in vain: %s; log:\n%s", what, f.Log())
		}
	}
}
