package process

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"simplane/server/provider"
)

func openFiles(t *testing.T) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}

func TestNothingLeaks(t *testing.T) {
	files, goroutines := openFiles(t), runtime.NumGoroutine()
	p := New(Options{BackoffBase: time.Microsecond, BackoffMax: time.Millisecond})
	http, lines := self(t, "http"), stdio(t)
	file := provider.Deployment{Name: "file", RuntimeMode: provider.FILE, Replicas: 1, RuntimeCommand: `echo 1 > $OUTPUT_FILE`}
	missing := provider.Deployment{Name: "missing", RuntimeMode: provider.STDIO, Replicas: 1, Commands: []string{"no-such-program-here"}}
	for _, d := range []provider.Deployment{http, lines, file, missing} {
		provision(t, p, d)
	}
	var settled int
	for round := range 12 {
		for _, fault := range []string{`"do:exit"`, `"do:silence"`, `1`} {
			invoke(t, p, "http", fault)
			invoke(t, p, "stdio", fault)
			invoke(t, p, "file", fault)
			invoke(t, p, "missing", fault)
		}
		if round == 1 { // everything has been used once
			wantOutput(t, invoke(t, p, "stdio", `1`), `1`)
			settled = openFiles(t)
		}
	}
	// Some are open for a moment longer, and spare pipes may have been missing; a
	// leak of one per fault would add dozens for good.
	eventually(t, "the number of open files is as after the first round", func() bool { return openFiles(t) <= settled+10 })

	if err := p.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all files are closed", func() bool { return openFiles(t) <= files })
	eventually(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= goroutines })
}

func TestFileInvocationsLeaveNothingWithTheGuard(t *testing.T) {
	p := start(t, Options{})
	provision(t, p, provider.Deployment{Name: "file", RuntimeMode: provider.FILE, Replicas: 1,
		RuntimeCommand: `sleep 1000 & setsid sleep 1000 & echo 1 > $OUTPUT_FILE`})
	for range 20 {
		wantOutput(t, invoke(t, p, "file", `1`), `1`)
	}
	g, err := p.guardProcess()
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the guard has no children left", func() bool { return childrenOf(t, g.PID()) == 0 })
}

// What a function leaves behind with an environment of its own is not known to
// be the function's. It may hold the pipes open, but nobody up.
func TestUnknownStrayThatHoldsThePipesHoldsNobodyUp(t *testing.T) {
	p := start(t, Options{})
	dir := t.TempDir()
	const stray = `env -i /usr/bin/setsid /bin/sh -c 'echo $$ > '$DIR'/$1; exec /bin/sleep 1000' - %s & while ! test -s $DIR/%s; do sleep 0.01; done; `
	leave := func(name string) string { return strings.ReplaceAll(stray, "%s", name) }
	for name, d := range map[string]provider.Deployment{
		"file":  {RuntimeMode: provider.FILE, RuntimeCommand: leave("file") + `echo 1 > $OUTPUT_FILE`},
		"stdio": {RuntimeMode: provider.STDIO, RuntimeCommand: leave("stdio") + `read line; echo '{"output":1}'; read line; exit 3`},
	} {
		d.Name, d.Replicas, d.Env = name, 1, map[string]string{"DIR": dir}
		provision(t, p, d)
		wantOutput(t, invoke(t, p, name, `1`), `1`)
		if pid := readPID(t, filepath.Join(dir, name)); !exists(pid) {
			t.Errorf("%s: the stray is gone: the test shows nothing", name)
		}
	}
	wantCode(t, invoke(t, p, "stdio", `1`), provider.CodeCrashed, "code 3")
}
