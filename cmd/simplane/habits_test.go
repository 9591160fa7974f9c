package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"simplane/server"
)

func TestVersionIsAFlagToo(t *testing.T) {
	if a, b := runCLI(t, "", "--version").ok().out, runCLI(t, "", "version").ok().out; a != b || !strings.HasPrefix(a, "simplane ") {
		t.Errorf("--version: %q, version: %q", a, b)
	}
}

// A command that is not there is a usage error wherever it would have been.
func TestUnknownCommandsOfEveryGroup(t *testing.T) {
	for _, c := range rootCommand().Commands() {
		if c.HasSubCommands() {
			runCLI(t, "", c.Name(), "zzzzzzzz").fails(2, `unknown command "zzzzzzzz" for "simplane `+c.Name()+`" (`)
		}
	}
}

func TestMisspeltWordsAreCorrected(t *testing.T) {
	p := startPlane(t)
	p.cliWith(echoSpec, "fn", "apply", "-f", "-").ok()
	runCLI(t, "", "serv").fails(2, `unknown command "serv"`, `did you mean "serve"?`)
	runCLI(t, "", "fn", "lst").fails(2, `did you mean "list"?`)
	runCLI(t, "", "zzzzzzzz").fails(2, `unknown command "zzzzzzzz" for "simplane" (`)
	runCLI(t, "", "serve", "--adr", ":0").fails(2, `unknown flag: --adr`, `did you mean "--addr"?`)
	runCLI(t, "", "fn", "list", "--outpt", "json").fails(2, `did you mean "--output"?`)
	runCLI(t, "", "serve", "--ttl", "300").fails(2, "--ttl: 300 has no unit", "300s")
	for _, line := range []string{"invoke ecko", "enqueue ecko", "fn get ecko", "fn describe ecko", "fn rm ecko", "fn revisions ecko", "dlq list ecko"} {
		p.cli(strings.Fields(line)...).fails(1, `function "ecko" not found; did you mean "echo"? (NOT_FOUND)`)
	}
	p.cli("invoke", "nothing-like-it").fails(1, `function "nothing-like-it" not found (NOT_FOUND)`)
	p.cli("exec", "get", "0000").fails(1, `execution "0000" not found`)
	runCLI(t, "", "completion", "bsh").fails(2, `did you mean "bash"?`)
}

// Every command that prints what a server answers has all the forms.
func TestForms(t *testing.T) {
	p := startPlane(t)
	p.cliWith(localSpec("a", "")+"---\n"+localSpec("b", "concurrency: 7\n"), "fn", "apply", "-f", "-").ok()
	if out := p.cliWith(localSpec("a", ""), "fn", "apply", "-o", "name").ok().out; out != "a\n" {
		t.Errorf("fn apply -o name: %q", out)
	}
	id := strings.TrimSpace(p.cli("enqueue", "a").ok().out)
	for _, c := range []struct {
		line, want string
	}{
		{"fn list -o name", "a\nb\n"},
		{"fn list -o jsonpath={[*].name}", "a b\n"},
		{"fn list -o jsonpath={[?(@.concurrency>4)].name}", "b\n"},
		{"fn get b -o jsonpath={.concurrency}", "7\n"},
		{"fn get b -o jsonpath=.concurrency", "7\n"},
		{"fn get b -o jsonpath=concurrency", "7\n"},
		{"fn describe b -o jsonpath={.spec.concurrency}", "7\n"},
		{"exec list -o name", id + "\n"},
		{"exec get " + id + " -o jsonpath={.functionName}", "a\n"},
		{"invoke a --data 5 -o jsonpath={.output}", "5\n"},
		{"config get -o jsonpath={.revision}", "1\n"},
	} {
		if out := p.cli(strings.Fields(c.line)...).ok().out; out != c.want {
			t.Errorf("%s: %q, want %q", c.line, out, c.want)
		}
	}
	at := p.cli("exec", "get", id, "-o", "jsonpath={.createdAtMillis}").ok().out
	if !regexp.MustCompile(`^\d{13}\n$`).MatchString(at) {
		t.Errorf("a time in milliseconds is printed as %q", at)
	}
	p.cli("fn", "get", "a", "-o", "yaml").ok().prints("name: a\n")
	p.cli("top", "-o", "yaml", "--interval", "100ms").ok().prints("functions:\n")
	p.cli("fn", "list", "-o", "wide").ok().prints("IMAGE", "GENERATION")
	p.cli("exec", "list", "-o", "wide").ok().prints("ATTEMPT", "WAITED")
	for _, bad := range []string{"xml", "jsonpath", "jsonpath={.a", "json=1", ""} {
		p.cli("fn", "list", "-o", bad).fails(2, "--output")
	}
	p.cli("fn", "get", "a", "-o", "name").fails(2, "--output")
	p.cli("exec", "watch", id, "-o", "yaml").fails(2, "--output")
}

// zoned is a time that says its zone.
var zoned = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d\d:\d\d)`)

func TestTablesFit80ColumnsWithAgesAndZones(t *testing.T) {
	f := startFlaky(t, true)
	p := startPlane(t)
	p.cliWith(f.spec("resize-images", "0"), "fn", "apply", "-f", "-").ok()
	p.cli("enqueue", "resize-images", "--wait").fails(1, "error")
	for _, line := range []string{"fn list", "exec list", "dlq list resize-images", "fn revisions resize-images", "config history"} {
		out := p.cli(strings.Fields(line)...).ok().out
		for row := range strings.Lines(out) {
			// On a terminal the last column gives way; the others fit.
			if head, _, cut := strings.Cut(row, "POOL_ERROR"); utf8.RuneCountInString(head) > 80 || !cut && utf8.RuneCountInString(row) > 81 {
				t.Errorf("%s: wider than 80 columns: %s", line, row)
			}
		}
		if line != "fn list" && line != "config history" && !regexp.MustCompile(`\s\d+(m?s|m)\s`).MatchString(out) {
			t.Errorf("%s: no age: %s", line, out)
		}
	}
	for _, line := range []string{"exec list -o wide", "dlq list resize-images -o wide", "fn revisions resize-images -o wide"} {
		if out := p.cli(strings.Fields(line)...).ok().out; !zoned.MatchString(out) {
			t.Errorf("%s: no time with its zone: %s", line, out)
		}
	}
}

func TestColumnsGiveWayOnANarrowTerminal(t *testing.T) {
	long := strings.Repeat("x", 100)
	table := newTable("ID", "ERROR", "NAME").cut("ERROR", "NAME")
	table.row("12345", long, long)
	for _, width := range []int{120, 80, 40, 25} {
		for line := range strings.Lines(table.text(width)) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > width {
				t.Errorf("%d columns: %d in %q", width, n, line)
			}
		}
		if text := table.text(width); !strings.Contains(text, "12345") {
			t.Errorf("the id was cut: %s", text)
		}
	}
	if text := table.text(0); strings.Count(text, long) != 2 {
		t.Errorf("cut without a terminal: %s", text)
	}
	if text := table.text(10); !strings.Contains(text, "12345") {
		t.Errorf("hopeless width: %s", text)
	}
}

func TestStandardInputIsTheInput(t *testing.T) {
	p := startPlane(t)
	p.cliWith(echoSpec, "fn", "apply").ok().prints("echo created")
	for in, want := range map[string]string{`{"n": 1}`: "{\n  \"n\": 1\n}\n", "": "{}\n", " \n": "{}\n"} {
		if out := p.cliWith(in, "invoke", "echo").ok().out; out != want {
			t.Errorf("%q: %q, want %q", in, out, want)
		}
	}
	if out := p.cliWith("7", "invoke", "echo", "--data", "8").ok().out; out != "8\n" {
		t.Errorf("--data is not what was sent: %s", out)
	}
	p.cliWith("{", "invoke", "echo").fails(2, "standard input:1: not valid JSON")
	// One that nobody closes is waited for, and the user is told.
	read, write, err := os.Pipe()
	must(t, err)
	defer read.Close()
	cmd := exec.Command(os.Args[0], "invoke", "echo", "--server", p.addr)
	cmd.Env = append(os.Environ(), roleVariable+"=simplane")
	var errs, out syncBuffer
	cmd.Stdin, cmd.Stderr, cmd.Stdout = read, &errs, &out
	must(t, cmd.Start())
	for !strings.Contains(errs.String(), "--data '{}' does without") {
		time.Sleep(10 * time.Millisecond)
	}
	_, _ = write.WriteString("[1]")
	must(t, write.Close())
	must(t, cmd.Wait())
	if got := out.String(); !strings.Contains(got, "1") {
		t.Errorf("what came late is not the input: %s", got)
	}
}

func TestAnInterruptedCallSaysWhatGoesOn(t *testing.T) {
	f := startFunction(t)
	p := startPlane(t)
	p.cliWith("name: hang\nimage: none\nexecutionMode: POOL\nendpointUrl: "+f.url+"/hang\n", "fn", "apply", "-f", "-").ok()
	for _, c := range []struct {
		line   string
		signal syscall.Signal
		code   int
		says   string
	}{
		{"invoke hang --data 1", syscall.SIGINT, 130, "a call that has begun goes on"},
		{"enqueue hang --data 1 --wait", syscall.SIGINT, 130, "it goes on: simplane exec watch"},
		{"invoke hang --data 1", syscall.SIGTERM, 143, "interrupted"},
	} {
		running := func() int {
			return strings.Count(p.cli("exec", "list", "--status", "running", "-o", "name").ok().out, "\n")
		}
		n := running()
		cmd := exec.Command(os.Args[0], append(strings.Fields(c.line), "--server", p.addr)...)
		cmd.Env = append(os.Environ(), roleVariable+"=simplane")
		var errs syncBuffer
		cmd.Stderr = &errs
		must(t, cmd.Start())
		for running() == n {
			time.Sleep(5 * time.Millisecond)
		}
		must(t, cmd.Process.Signal(c.signal))
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.Contains(errs.String(), c.says) || strings.Count(errs.String(), "\n") != 1 {
			t.Errorf("%s: exit %d, want %d: %s", c.line, code, c.code, errs.String())
		}
		if running() != n+1 {
			t.Errorf("%s: the call did not go on", c.line)
		}
	}
	for id := range strings.Lines(p.cli("exec", "list", "-o", "name").ok().out) {
		p.cli("exec", "cancel", strings.TrimSpace(id)).ok()
	}
}

func TestContexts(t *testing.T) {
	p := startPlane(t, func(c *server.Config) { c.InvokeToken, c.ManageToken, c.InternalToken = "sesame", "sesame", "sesame" })
	other := startPlane(t)
	file := filepath.Join(t.TempDir(), "deep", "contexts.yaml")
	t.Setenv("SIMPLANE_CONTEXTS", file)
	runCLI(t, "", "context", "list").ok()
	runCLI(t, "", "context", "add", "prod", "--server", p.addr, "--token", "sesame").ok().prints("it is in use")
	runCLI(t, "", "context", "add", "dev", "--server", other.addr).ok()
	info, err := os.Stat(file)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	out := runCLI(t, "", "context", "list").ok().prints("*  prod", "   dev").out
	if strings.Contains(out+runCLI(t, "", "context", "list", "-o", "json").ok().out, "sesame") {
		t.Error("a token was printed")
	}
	if out := runCLI(t, "", "context", "list", "-o", "name").ok().out; out != "dev\nprod\n" {
		t.Errorf("names: %q", out)
	}
	runCLI(t, "", "fn", "list").ok()
	runCLI(t, "", "fn", "list", "--context", "dev").ok()
	runCLI(t, "", "fn", "list", "--context", "deb").fails(2, `context "deb" not found; did you mean "dev"?`)
	runCLI(t, "", "fn", "list", "--context", "dev", "--server", p.addr).fails(2, "not both")
	// A context's token is for its server alone, and the environment's is not for it.
	runCLI(t, "", "fn", "list", "--server", p.addr).fails(1, "UNAUTHORIZED")
	t.Setenv("SIMPLANE_TOKEN", "wrong")
	runCLI(t, "", "fn", "list").ok()
	t.Setenv("SIMPLANE_CONTEXT", "dev")
	runCLI(t, "", "context", "use", "dev").ok()
	runCLI(t, "", "context", "rm", "dev").ok()
	runCLI(t, "", "fn", "list").fails(2, `context "dev" not found`)
	t.Setenv("SIMPLANE_CONTEXT", "")
	runCLI(t, "", "context", "use", "prod").ok()
	must(t, os.Chmod(file, 0o644))
	runCLI(t, "", "fn", "list").fails(2, "chmod 600")
	must(t, os.Chmod(file, 0o600))
	for _, args := range [][]string{{"a b", "--server", "h:1"}, {"x"}, {"x", "--server", "ftp://h"}, {"x", "--server", "h:1", "--tls-ca", "/nowhere"}} {
		runCLI(t, "", append([]string{"context", "add"}, args...)...).fails(2)
	}
}

func TestTLSIsGuessedOrSaid(t *testing.T) {
	dir := t.TempDir()
	ca := issue(t, dir, "ca", nil)
	issue(t, dir, "server", ca)
	p := startPlane(t, func(c *server.Config) {
		c.TLSCert, c.TLSKey = filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key")
	})
	p.cli("fn", "list", "--tls-ca", filepath.Join(dir, "ca.crt")).ok() // a CA means TLS
	p.cli("fn", "list").fails(1, "use https://"+p.addr)
	plain := startPlane(t)
	runCLI(t, "", "fn", "list", "--server", "https://"+plain.addr).fails(1, "use http://"+plain.addr)
}

// Help says nothing of a switch's values, and each flag of serve has its subject.
func TestHelp(t *testing.T) {
	var all func(cmd *cobra.Command, path []string)
	all = func(cmd *cobra.Command, path []string) {
		r := runCLI(t, "", append(path, "--help")...).ok()
		if strings.Contains(r.out, "=true|false") {
			t.Errorf("%v: switches with values:\n%s", path, r.out)
		}
		for _, c := range cmd.Commands() {
			all(c, append(path[:len(path):len(path)], c.Name()))
		}
	}
	all(rootCommand(), nil)
	out := runCLI(t, "", "serve", "--help").ok().out
	for _, subject := range server.Subjects {
		if !strings.Contains(out, "\n "+subject+":\n") {
			t.Errorf("serve --help has no subject %q", subject)
		}
	}
	for line := range strings.Lines(out) {
		if utf8.RuneCountInString(line) > 95 {
			t.Errorf("serve --help: a line of %d: %s", utf8.RuneCountInString(line), line)
		}
	}
}

// The script for bash completes without the package bash-completion.
func TestBashCompletesWithoutExtraPackages(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash on this machine")
	}
	p := startPlane(t)
	p.cliWith(localSpec("echo", "")+"---\n"+localSpec("other", ""), "fn", "apply", "-f", "-").ok()
	dir := t.TempDir()
	must(t, os.Symlink(os.Args[0], filepath.Join(dir, "simplane")))
	for line, want := range map[string]string{
		"simplane inv":                      "invoke",
		"simplane invoke o":                 "other",
		"simplane fn list --output=js":      "json jsonpath=",
		"simplane fn list -o wi":            "wide",
		"simplane exec list --status=suc":   "success",
		"simplane config set rateMaxPerSec": "rateMaxPerSecond=",
		"simplane fn init py":               "python",
	} {
		script := `eval "$(simplane completion bash)"
COMP_LINE=$1; COMP_POINT=${#1}; _simplane; echo "${COMPREPLY[*]}"`
		cmd := exec.Command(bash, "--norc", "--noprofile", "-c", script, "bash", line)
		cmd.Env = append(os.Environ(), roleVariable+"=simplane", "SIMPLANE_SERVER="+p.addr, "PATH="+dir+":"+os.Getenv("PATH"))
		out, err := cmd.Output()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("%s: %q %v, want %q", line, got, err, want)
		}
	}
}

func TestDescribeIsOneScreen(t *testing.T) {
	f := startFlaky(t, true)
	p := startPlane(t)
	p.cliWith(f.spec("a", "0"), "fn", "apply", "-f", "-").ok()
	p.cliWith(f.spec("a", "0")+"concurrency: 9\nrateMaxPerSecond: 77\n", "fn", "apply", "-f", "-").ok()
	p.cli("invoke", "a").fails(1, "POOL_ERROR")
	f.broken.Store(false)
	p.cli("invoke", "a").ok()
	r := p.cli("fn", "describe", "a").ok().prints("POOL, HTTP at "+f.URL, "9 at once", "77 a second", "1 ok, 1 errors", "p99", "concurrency: 4 -> 9", "Recent errors:", "POOL_ERROR", "Generation:", "by anonymous")
	if n := strings.Count(r.out, "\n"); n > 24 {
		t.Errorf("%d lines: %s", n, r.out)
	}
	// Without the token of the figures the spec is shown, and what is missing named.
	q := startPlane(t, func(c *server.Config) { c.InternalToken = "sesame" })
	q.cliWith(echoSpec, "fn", "apply", "-f", "-").ok()
	q.cli("fn", "describe", "echo").ok().prints("LOCAL", "not shown: recent errors")
}

// What `fn init` writes runs as it is.
func TestInitWritesFunctionsThatRun(t *testing.T) {
	p := startPlane(t, func(c *server.Config) { c.Provider = server.ProviderProcess })
	t.Chdir(t.TempDir())
	for _, language := range starterNames() {
		s := starters[language]
		tool := s.command[0]
		if s.build != "" {
			tool = language
		}
		if _, err := exec.LookPath(tool); err != nil {
			t.Logf("no %s on this machine", tool)
			continue
		}
		name := "hello-" + language
		runCLI(t, "", "fn", "init", language, name).ok().prints("simplane fn apply -f", "simplane invoke "+name)
		if s.build != "" {
			build := exec.Command("sh", "-c", strings.ReplaceAll(s.build, "{dir}", shellWord(name)))
			build.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", s.build, err, out)
			}
		}
		p.cli("fn", "apply", "-f", filepath.Join(name, specName)).ok()
		p.cliWith(`{"name":"you"}`, "invoke", name).ok().prints("Hello")
		runCLI(t, "", "fn", "init", language, name).fails(2, "exists already")
	}
	runCLI(t, "", "fn", "init", "pyton", "x").fails(2, `did you mean "python"?`)
	runCLI(t, "", "fn", "init", "python", "a/b").fails(2, "name")
	if _, err := os.Stat("a"); !os.IsNotExist(err) {
		t.Error("a folder was made for a name that cannot be")
	}
	// A name that YAML takes for a number, and a folder with a blank and a quote.
	runCLI(t, "", "fn", "init", "shell", "007", "--dir", "it's here").ok()
	p.cli("fn", "apply", "-f", filepath.Join("it's here", specName)).ok().prints("007 created")
	p.cli("invoke", "007").ok().prints("Hello")
	p.cli("fn", "describe", "007").ok().prints("1 of 1 ready", "by the provider process", "Instances:", "IN FLIGHT")
}
