package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"simplane/server"

	"simplane/server/client/specfile"
)

func localSpec(name, more string) string {
	return "name: " + name + "\nimage: i\nexecutionMode: LOCAL\n" + more
}

// What list, get and export print means the same functions.
func TestListsOfFunctionsApplyUnchanged(t *testing.T) {
	p := startPlane(t)
	p.cliWith(localSpec("a", "rateMaxPerSecond: 7\nenv: {K: \"1\", E: \"\"}\n")+"---\n"+
		localSpec("b", "retryBackoff: {initialMs: 0}\nscalingConfig: {metrics: [{type: rps, target: 0.5}]}\n")+"---\n"+localSpec("c", "commands: [\"a: b\", \"#\", \"\\t\"]\n"), "fn", "apply", "-f", "-").ok()
	p.cliWith(localSpec("b", "concurrency: 7\n"), "fn", "apply", "-f", "-").ok() // generation 2
	for _, line := range []string{"fn list -o yaml", "fn list -o json", "fn export", "fn export -o json", "fn export -o yaml", "fn export b a c"} {
		out := p.cli(strings.Fields(line)...).ok().out
		r := p.cliWith(out, "fn", "apply", "-f", "-").ok()
		if strings.Count(r.out, " unchanged\n") != 3 {
			t.Errorf("%s, applied: %s\n%s", line, r.out, out)
		}
		if exported := strings.Contains(line, "export"); strings.Contains(out, "generation") == exported {
			t.Errorf("%s: generations: %s", line, out)
		}
	}
	for _, line := range []string{"fn get b", "fn get b -o yaml", "fn get b -o json", "fn export b"} {
		p.cliWith(p.cli(strings.Fields(line)...).ok().out, "fn", "apply", "-f", "-").ok().prints("b unchanged\n")
	}
	saved := p.cli("fn", "export").ok().out
	p.cli("fn", "rm", "a", "b", "c").ok()
	for _, line := range []string{"fn list -o yaml", "fn list -o json", "fn export"} {
		p.cliWith(p.cli(strings.Fields(line)...).ok().out, "fn", "apply", "-f", "-").ok()
	}
	p.cliWith(saved, "fn", "apply", "-f", "-").ok().prints("a created\nb created\nc created\n")
	p.cli("fn", "list", "-o", "xml").fails(2, "table or wide or json or yaml")
}

func TestApplyTakesFilesAndFolders(t *testing.T) {
	p := startPlane(t)
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	write(t, in("b.yaml"), localSpec("b", ""))
	write(t, in("a.yml"), localSpec("a", ""))
	write(t, in("c.json"), `[{"name":"c","image":"i","executionMode":"LOCAL"}]`)
	write(t, in("notes.txt"), "not: [a spec")
	other := filepath.Join(t.TempDir(), "d")
	write(t, other, localSpec("d", ""))
	if out := p.cliWith(localSpec("e", ""), "fn", "apply", "-f", other, "-f", dir, "-f", "-").ok().out; out != "d created\na created\nb created\nc created\ne created\n" {
		t.Errorf("applied: %s", out)
	}

	// A function that is given twice is named with both places, and nothing is
	// changed.
	twice := filepath.Join(t.TempDir(), "twice.yaml")
	write(t, twice, localSpec("new", "")+"---\n"+localSpec("b", "concurrency: 9\n"))
	p.cli("fn", "apply", "-f", dir, "-f", twice).fails(2, twice+":5: ", `"b"`, in("b.yaml")+":1")
	// So are mistakes in several files, all of them.
	write(t, in("a.yml"), localSpec("a", "queueSize: 0\n"))
	write(t, twice, localSpec("new", "foo: 1\n"))
	p.cli("fn", "apply", "-f", dir, "-f", twice).fails(2, in("a.yml")+":4: queueSize", twice+":4: unknown key")
	p.cli("fn", "get", "new").fails(1, "NOT_FOUND")

	p.cli("fn", "apply", "-f", t.TempDir()).fails(2, "no spec in this folder")
	p.cli("fn", "apply", "-f", "-", "-f", "-").fails(2, "given twice")
	p.cli("fn", "apply", "-f", in("none")).fails(2, "no such file")
}

// A change that the server refuses takes those before it back.
func TestApplyIsAllOrNothing(t *testing.T) {
	p := startPlane(t, func(c *server.Config) { c.Provider = "none" })
	p.cliWith(localSpec("old", "concurrency: 7\nenv: {A: b}\n")+"---\n"+localSpec("same", ""), "fn", "apply", "-f", "-").ok()
	before := p.cli("fn", "export", "old").ok().out
	text := localSpec("old", "concurrency: 8\n") + "---\n" + localSpec("same", "") + "---\n" + localSpec("new", "") +
		"---\nname: bad\nimage: i\n---\n" + localSpec("later", "") // bad has no provider
	p.cliWith(text, "fn", "apply", "-f", "-").fails(2, "(standard input):14: bad: ", "NO_PROVIDER", "the changes before it were rolled back").
		prints("old rolled back\n", "same unchanged\n", "new rolled back\n", "bad failed\n", "later not tried\n")
	if after := p.cli("fn", "export", "old").ok().out; after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	p.cli("fn", "list").ok()
	for _, name := range []string{"new", "bad", "later"} {
		p.cli("fn", "get", name).fails(1, "NOT_FOUND")
	}
	p.cliWith("name: bad\nimage: i\n", "fn", "apply", "-f", "-").fails(2, "nothing was changed")
}

// between is a proxy to the plane that may act on a request before or after it
// is passed on.
func between(t *testing.T, p *plane, act func(r *http.Request, pass func()) bool) string {
	to, err := url.Parse("http://" + p.addr)
	must(t, err)
	proxy := httputil.NewSingleHostReverseProxy(to)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !act(r, func() { proxy.ServeHTTP(httptest.NewRecorder(), r.Clone(context.Background())) }) {
			proxy.ServeHTTP(w, r)
			return
		}
		panic(http.ErrAbortHandler) // the connection ends without an answer
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// A change whose answer does not come may have been made or not: either way
// everything is as it was afterwards.
func TestApplyTakesBackAChangeWhoseAnswerIsLost(t *testing.T) {
	for name, arrives := range map[string]bool{"made": true, "not made": false} {
		t.Run(name, func(t *testing.T) {
			for _, lost := range []string{"PUT", "POST"} {
				p := startPlane(t)
				p.cliWith(localSpec("one", "")+"---\n"+localSpec("two", "concurrency: 7\n"), "fn", "apply", "-f", "-").ok()
				var first atomic.Bool
				url := between(t, p, func(r *http.Request, pass func()) bool {
					cut := r.Method == lost && (strings.HasSuffix(r.URL.Path, "/two") || strings.HasSuffix(r.URL.Path, "/functions")) && first.CompareAndSwap(false, true)
					if cut && arrives {
						pass()
					}
					return cut
				})
				text := localSpec("one", "concurrency: 5\n") + "---\n" + localSpec("two", "concurrency: 5\n") + "---\n" + localSpec("three", "")
				r := runCLI(t, text, "fn", "apply", "-f", "-", "--server", url).fails(1, "rolled back").prints("one rolled back\n")
				if !first.Load() || strings.Contains(r.err, "could not be") {
					t.Errorf("%s: %s", lost, r.err)
				}
				p.cli("fn", "get", "one").ok().prints("concurrency: 4\n")
				p.cli("fn", "get", "two").ok().prints("concurrency: 7\n")
				p.cli("fn", "get", "three").fails(1, "NOT_FOUND")
			}
		})
	}
}

// An interrupt in the middle takes the changes back too, and says so.
func TestAnInterruptedApplyIsRolledBack(t *testing.T) {
	p := startPlane(t)
	p.cliWith(localSpec("one", "")+"---\n"+localSpec("two", ""), "fn", "apply", "-f", "-").ok()
	url := between(t, p, func(r *http.Request, pass func()) bool {
		if r.Method != "PUT" || !strings.HasSuffix(r.URL.Path, "/two") {
			return false
		}
		pass()
		must(t, syscall.Kill(os.Getpid(), syscall.SIGTERM)) // the command waits for it
		<-r.Context().Done()
		return true
	})
	text := localSpec("one", "concurrency: 5\n") + "---\n" + localSpec("two", "concurrency: 5\n")
	runCLI(t, text, "fn", "apply", "-f", "-", "--server", url).fails(exitTerminated, "two: interrupted", "rolled back").prints("one rolled back\n", "two rolled back\n")
	for _, name := range []string{"one", "two"} {
		p.cli("fn", "get", name).ok().prints("concurrency: 4\n")
	}
}

// What somebody else has changed meanwhile is neither overwritten nor taken
// back.
func TestApplyLeavesOthersChangesAlone(t *testing.T) {
	p := startPlane(t)
	p.cliWith(localSpec("one", "")+"---\n"+localSpec("two", ""), "fn", "apply", "-f", "-").ok()
	var once atomic.Bool
	url := between(t, p, func(r *http.Request, _ func()) bool {
		if r.Method == "PUT" && strings.HasSuffix(r.URL.Path, "/two") && once.CompareAndSwap(false, true) {
			p.cliWith(localSpec("one", "concurrency: 50\n")+"---\n"+localSpec("two", "concurrency: 50\n"), "fn", "apply", "-f", "-").ok()
		}
		return false
	})
	text := localSpec("one", "concurrency: 5\n") + "---\n" + localSpec("two", "concurrency: 5\n")
	runCLI(t, text, "fn", "apply", "-f", "-", "--server", url).
		fails(1, "GENERATION_CONFLICT", "could not be rolled back: one (somebody else has changed it since)").prints("one changed, not rolled back\n", "two failed\n")
	for _, name := range []string{"one", "two"} {
		p.cli("fn", "get", name).ok().prints("concurrency: 50\n")
	}
}

// What the server says of a function is no part of what is exported.
func TestExportLeavesOutWhatIsNotRegistered(t *testing.T) {
	got, err := specfile.Registered([]byte(`{"name":"f", "generation":3,"rollout":{"state":"failed"},"trouble":"t","later":[1, {"generation":2}]}`))
	if want := `{"name":"f","later":[1, {"generation":2}]}`; err != nil || string(got) != want {
		t.Errorf("%s %v", got, err)
	}
}

// What the server says of a function's instances is no difference to its spec.
func TestAFunctionInTroubleAppliesUnchanged(t *testing.T) {
	p := startPlane(t, func(c *server.Config) { c.Provider = server.ProviderProcess })
	p.cliWith("name: a\nimage: i\ncommands: [/does/not/exist]\n", "fn", "apply", "-f", "-").ok()
	p.cli("invoke", "a").fails(1, "FUNCTION_START_FAILED")
	guard := time.Now().Add(hangGuard)
	for !strings.Contains(p.cli("fn", "get", "a").ok().out, "trouble:") {
		if time.Now().After(guard) {
			t.Fatal("the server never says what is wrong with it")
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.cli("fn", "describe", "a").ok().prints("Trouble:")
	for _, line := range []string{"fn list -o yaml", "fn get a", "fn export"} {
		out := p.cli(strings.Fields(line)...).ok().out
		p.cliWith(out, "fn", "apply", "-f", "-").ok().prints("a unchanged\n")
		if line == "fn export" && strings.Contains(out, "trouble") {
			t.Errorf("exported: %s", out)
		}
	}
}
