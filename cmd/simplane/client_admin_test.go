package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"simplane/server"
	"simplane/server/client"
)

func TestDeadLettersAreListedShownRedrivenAndPurged(t *testing.T) {
	p := startPlane(t)
	f := startFlaky(t, true)
	p.cliWith(f.spec("pool", "1"), "fn", "apply", "-f", "-").ok()
	dead := []string{}
	for _, in := range []string{"1", "2", "3"} {
		id := strings.TrimSpace(p.cli("enqueue", "pool", "-d", in).ok().out)
		p.cli("exec", "watch", id).fails(1)
		dead = append(dead, id)
	}
	p.cli("dlq", "list", "pool").ok().prints(dead...).prints("POOL_ERROR")
	p.cli("dlq", "get", "pool", dead[0]).ok().prints("input:\n1\n", "attempt:   2", "POOL_ERROR")
	p.cli("dlq", "get", "pool", dead[0], "-o", "json").ok().prints(`"input": 1`)
	p.cli("dlq", "get", "pool", "nope").fails(2, "execution id")
	p.cli("dlq", "get", "pool", "12345678-1234-1234-1234-123456789012").fails(1, "no dead letter")
	p.cli("dlq", "redrive", "pool").fails(2, "--all")
	p.cli("dlq", "redrive", "pool", dead[0], "--all").fails(2, "not both")

	f.broken.Store(false)
	var r client.Redriven
	must(t, json.Unmarshal([]byte(p.cli("dlq", "redrive", "pool", dead[0], "-o", "json").ok().out), &r))
	if len(r.Redriven) != 1 || r.Redriven[0].ID != dead[0] {
		t.Fatalf("redriven: %+v", r)
	}
	p.cli("exec", "watch", r.Redriven[0].ExecutionID).ok()
	p.cli("dlq", "redrive", "pool", dead[0]).fails(1, "1 of 1 dead letters were not accepted")
	p.cli("dlq", "redrive", "pool", "--all").ok().prints(dead[1], dead[2], "execution ")

	p.cli("dlq", "purge", "pool").fails(2, "--yes")
	p.cli("dlq", "purge", "pool", "--yes").ok()
	if out := p.cli("dlq", "list", "pool").ok().out; strings.Count(out, "\n") != 1 {
		t.Errorf("after the purge: %s", out)
	}
	p.cli("dlq", "list", "nobody").fails(1, "NOT_FOUND")
}

func TestConfigIsReadAndChanged(t *testing.T) {
	p := startPlane(t)
	p.cli("config", "get").ok().prints("KEY", "rateMaxPerSecond", "revision")
	p.cli("config", "set", "rateMaxPerSecond=77", "syncQueueEnabled=on", "syncQueueMaxEstimatedWait=250ms", "syncQueueMaxQueueWait=250ms").ok().prints("77", "PT0.25S")
	get := func() client.RuntimeConfig {
		var c client.RuntimeConfig
		must(t, json.Unmarshal([]byte(p.cli("config", "get", "-o", "json").ok().out), &c))
		return c
	}
	if out := p.cli("config", "get").ok().prints("appliedAt", "changeId").out; strings.Contains(out, "effectiveConfig") {
		t.Errorf("the values are there twice: %s", out)
	}
	before := get()
	if string(before["rateMaxPerSecond"]) != "77" || string(before["syncQueueEnabled"]) != "true" {
		t.Errorf("not changed: %s", before)
	}
	for _, bad := range [][]string{
		{"rateMaxPerSecond=many"}, {"syncQueueEnabled=perhaps"}, {"noSuchKey=1"}, {"revision=9"}, {"appliedAt=1"}, {"effectiveConfig=1"}, {"syncQueueMaxQueueWait=250ms", "syncQueueMaxEstimatedWait=251ms"}, {"rateMaxPerSecond"},
		{"rateMaxPerSecond=1", "rateMaxPerSecond=2"}, {"syncQueueMaxQueueWait=soon"}, {"rateMaxPerSecond=5", "syncQueueMaxDepth=-4"},
	} {
		p.cli(append([]string{"config", "set"}, bad...)...).fails(2)
	}
	p.cli("config", "set", "--dry-run", "rateMaxPerSecond=-1").fails(2, "rateMaxPerSecond")
	p.cli("config", "set", "--dry-run", "rateMaxPerSecond=5").ok().prints("valid")
	p.cli("config", "set", "--expect-revision", "999", "rateMaxPerSecond=5").fails(1, "revision")
	if after := get(); after.Revision() != before.Revision() || string(after["rateMaxPerSecond"]) != "77" {
		t.Errorf("a refused change was applied: %s, before %s", after, before)
	}
}

func TestConfigHistoryTellsWho(t *testing.T) {
	hash := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte("sesame")))
	p := startPlane(t, func(c *server.Config) { c.InternalToken = "ops=" + hash })
	t.Setenv("SIMPLANE_TOKEN", "sesame")
	if out := p.cli("config", "history").ok().out; strings.Count(out, "\n") != 1 {
		t.Errorf("before any change: %s", out)
	}
	p.cli("config", "set", "rateMaxPerSecond=77", "syncQueueMaxEstimatedWait=250ms", "syncQueueMaxQueueWait=250ms").ok()
	p.cli("config", "set", "rateMaxPerSecond=78").ok()
	out := p.cli("config", "history").ok().prints("REVISION", "token:ops", "127.0.0.1:", "syncQueueMaxQueueWait: PT2S -> PT0.25S").out
	if newest, oldest := strings.Index(out, "rateMaxPerSecond: 77 -> 78"), strings.Index(out, " -> 77"); newest < 0 || oldest < newest {
		t.Errorf("not newest first:\n%s", out)
	}
	p.cli("config", "history", "-o", "json").ok().prints(`"who": "token:ops"`)
}

func TestTheTokenIsSentAndAskedFor(t *testing.T) {
	p := startPlane(t, func(c *server.Config) { c.InternalToken = "sesame" })
	p.cli("config", "get").fails(1, "UNAUTHORIZED", "SIMPLANE_TOKEN")
	p.cli("config", "get", "--token", "wrong").fails(1, "UNAUTHORIZED")
	p.cli("config", "get", "--token", "sesame").ok()
	t.Setenv("SIMPLANE_TOKEN", "sesame")
	p.cli("config", "get").ok()
	p.cli("config", "get", "--token", "wrong").fails(1, "UNAUTHORIZED") // the flag wins
}

func TestTheServerIsFoundByFlagVariableAndURL(t *testing.T) {
	p := startPlane(t, func(c *server.Config) { c.InternalOnMgmtOnly = true })
	t.Setenv("SIMPLANE_SERVER", "http://"+p.addr+"/")
	runCLI(t, "", "fn", "list").ok()
	runCLI(t, "", "config", "get").fails(1, "management address")
	runCLI(t, "", "config", "get", "--server", p.s.MgmtAddr()).ok()

	runCLI(t, "", "fn", "list", "--server", "ftp://x").fails(2, "ftp://x")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	nobody := ln.Addr().String()
	must(t, ln.Close())
	runCLI(t, "", "fn", "list", "--server", nobody).fails(1, "cannot reach http://"+nobody, "is the server running")
}

func TestUnknownCommandsAreUsageErrors(t *testing.T) {
	for _, line := range []string{"fn lst", "exec gett", "dlq x", "config unset", "top now", "fn list --nope"} {
		runCLI(t, "", strings.Fields(line)...).fails(2, "--help")
	}
}

func TestCompletionOffersWhatTheServerHas(t *testing.T) {
	p := startPlane(t)
	p.cliWith(echoSpec+"---\nname: other\nimage: i\nexecutionMode: LOCAL\n", "fn", "apply", "-f", "-").ok()
	t.Setenv("SIMPLANE_SERVER", p.addr)
	complete := func(args ...string) string {
		var out, errs strings.Builder
		if code := runWith(append([]string{"__complete"}, args...), strings.NewReader(""), &out, &errs); code != 0 {
			t.Fatalf("%v: exit %d: %s", args, code, errs.String())
		}
		return out.String()
	}
	for _, c := range []struct {
		args      []string
		want, not string
	}{
		{[]string{"fn", "get", ""}, "echo\nother\n", ""},
		{[]string{"invoke", "o"}, "other\n", "echo"},
		{[]string{"fn", "rm", "echo", ""}, "other\n", "echo"},
		{[]string{"fn", "get", "echo", ""}, ":4", "other"},
		{[]string{"exec", "list", "--function", ""}, "echo\nother\n", ""},
		{[]string{"exec", "list", "--status", "s"}, "success\n", ""},
		{[]string{"config", "set", "rate"}, "rateMaxPerSecond=\n", "revision"},
		{[]string{"fn", "list", "-o", ""}, "table\nwide\njson\nyaml\nname\njsonpath=\n", ""},
		{[]string{"fn", "get", "--server", "127.0.0.1:1", ""}, ":4", "echo"}, // nobody there
	} {
		got := complete(c.args...)
		if !strings.Contains(got, c.want) || c.not != "" && strings.Contains(got, c.not) {
			t.Errorf("%v: %q, want %q and not %q", c.args, got, c.want, c.not)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		runCLI(t, "", "completion", shell).ok().prints("simplane")
	}
}

// The client's token may be in a file.
func TestTokenFileOfTheClient(t *testing.T) {
	p := startPlane(t, func(c *server.Config) { c.InternalToken = "sesame" })
	t.Setenv("SIMPLANE_TOKEN_FILE", "")
	write := func(text string) string {
		file := filepath.Join(t.TempDir(), "token")
		must(t, os.WriteFile(file, []byte(text), 0o600))
		return file
	}
	good := write("sesame\n")
	p.cli("config", "get", "--token-file", good).ok()
	p.cli("config", "get", "--token-file", write("wrong\n")).fails(1, "UNAUTHORIZED")
	p.cli("config", "get", "--token-file", good, "--token", "x").fails(2, "not both")
	p.cli("config", "get", "--token-file", write("\n")).fails(2, "expected one line")
	p.cli("config", "get", "--token-file", write("a\nb\n")).fails(2, "expected one line")
	p.cli("config", "get", "--token-file", good+".none").fails(2, "no such file")
	t.Setenv("SIMPLANE_TOKEN_FILE", good)
	p.cli("config", "get").ok()
	t.Setenv("SIMPLANE_TOKEN", "wrong") // the token itself comes first
	p.cli("config", "get").fails(1, "UNAUTHORIZED")
	p.cli("config", "get", "--token-file", good).ok()
}
