package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"simplane/server"
)

func TestApplyListGetAndDelete(t *testing.T) {
	p := startPlane(t)
	p.cliWith(echoSpec, "fn", "apply", "-f", "-").ok().prints("echo created\n")
	p.cliWith(echoSpec, "fn", "apply", "-f", "-").ok().prints("echo unchanged\n")
	p.cli("fn", "list").ok().prints("NAME", "echo  LOCAL  HTTP", "30s")

	var list []map[string]any
	if err := json.Unmarshal([]byte(p.cli("fn", "list", "-o", "json").ok().out), &list); err != nil || len(list) != 1 || list[0]["name"] != "echo" {
		t.Errorf("fn list -o json: %v %v", list, err)
	}
	p.cli("fn", "rm", "echo").ok().prints("echo deleted\n")
	p.cli("fn", "get", "echo").fails(1, "NOT_FOUND")
	p.cli("fn", "rm", "echo").fails(1, "echo:", "NOT_FOUND")
}

func TestRmGoesOnAfterAnUnknownName(t *testing.T) {
	p := startPlane(t)
	p.cliWith(echoSpec+"---\nname: two\nimage: i\nexecutionMode: LOCAL\n", "fn", "apply", "-f", "-").ok()
	p.cli("fn", "rm", "none", "echo", "a/b", "two").fails(1, "2 of 4 were not deleted: none: ", "NOT_FOUND", "; a/b: ").prints("echo deleted\ntwo deleted\n")
	p.cli("fn", "export").ok().prints("[]")
}

// What `fn get` prints can be applied, and means the same function.
func TestGetPrintsASpecThatAppliesUnchanged(t *testing.T) {
	p := startPlane(t)
	spec := echoSpec + `
env: {ON: "true", PORT: 8080, EMPTY: "", MULTI: "a\nb: c\n"}
commands: ["sh", "-c", "echo '#'"]
timeoutMs: 1500
resources: {cpu: "1", memory: 64Mi}
scalingConfig:
  metrics: [{type: rps, target: 0.5}]
  concurrencyControl: {mode: ADAPTIVE_PER_POD}
`
	p.cliWith(spec, "fn", "apply", "-f", "-").ok()
	asYAML := p.cli("fn", "get", "echo").ok().prints("timeoutMillis: 1500", `PORT: "8080"`, `ON: "true"`).out
	p.cliWith(asYAML, "fn", "apply", "-f", "-").ok().prints("echo unchanged")
	asJSON := p.cli("fn", "get", "echo", "-o", "json").ok().out
	p.cliWith(asJSON, "fn", "apply", "-f", "-").ok().prints("echo unchanged")
}

func TestApplyChangesInPlaceAndSaysWhat(t *testing.T) {
	p := startPlane(t)
	p.cliWith(echoSpec+"env: {KEY: hunter2, OLD: x}\n", "fn", "apply", "-f", "-").ok()
	changed := echoSpec + "concurrency: 9\nenv: {KEY: hunter3}\n"

	p.cliWith(changed, "fn", "apply", "-f", "-", "--dry-run").ok().prints("echo changed (dry run: nothing done)\n", "concurrency: 4 -> 9")
	p.cli("fn", "get", "echo").ok().prints("concurrency: 4", "generation: 1")

	r := p.cliWith(changed, "fn", "apply", "-f", "-").ok().prints("echo changed\n", "concurrency: 4 -> 9", "env.KEY: changed", "env.OLD: removed")
	if strings.Contains(r.out+r.err, "hunter") {
		t.Errorf("a value of env was printed:\n%s", r.out)
	}
	p.cli("fn", "get", "echo").ok().prints("concurrency: 9", "generation: 2")
	p.cliWith(echoSpec, "fn", "apply", "-f", "-", "--replace").ok().prints("echo changed\n")
	p.cliWith(echoSpec, "fn", "apply", "-f", "-", "-o", "json").ok().prints(`"result": "unchanged"`)
	p.cli("fn", "get", "echo").ok().prints("generation: 3") // changed, not made anew
}

// What only deleting can change is said before anything is.
func TestApplyDoesNotChangeTheExecutionMode(t *testing.T) {
	p := startPlane(t)
	p.cliWith(echoSpec, "fn", "apply", "-f", "-").ok()
	other := "name: first\nimage: i\nexecutionMode: LOCAL\n---\nname: echo\nimage: none\nexecutionMode: POOL\nendpointUrl: http://127.0.0.1:1\n"
	for _, flags := range [][]string{nil, {"--replace"}} {
		p.cliWith(other, append([]string{"fn", "apply", "-f", "-"}, flags...)...).
			fails(1, "(standard input):5: echo: executionMode cannot change from LOCAL to POOL", "simplane fn rm echo", "nothing was changed")
	}
	p.cli("fn", "get", "first").fails(1, "NOT_FOUND")
	p.cli("fn", "get", "echo").ok().prints("LOCAL", "generation: 1")
}

func TestApplyTakesSeveralDocuments(t *testing.T) {
	p := startPlane(t)
	file := filepath.Join(t.TempDir(), "all.yaml")
	write(t, file, echoSpec+"---\n"+strings.Replace(echoSpec, "name: echo", "name: two", 1)+"---\n")
	p.cli("fn", "apply", "-f", file).ok().prints("echo created", "two created")
}

// One bad document keeps the good one from being registered.
func TestApplyIsStrictAndSaysWhere(t *testing.T) {
	p := startPlane(t)
	file := filepath.Join(t.TempDir(), "typo.yaml")
	write(t, file, echoSpec+"---\nname: two\nimage: none\nconcurency: 3\nqueueSize: many\n")
	p.cli("fn", "apply", "-f", file).fails(2,
		file+`:7: unknown key "concurency"; did you mean "concurrency"?`, file+`:8: queueSize: must be a whole number, not "many"`)
	if out := p.cli("fn", "list", "-o", "json").ok().out; strings.TrimSpace(out) != "[]" {
		t.Errorf("something was registered: %s", out)
	}
	p.cli("fn", "apply").fails(2, "--file is missing")
	p.cli("fn", "apply", "-f", filepath.Join(t.TempDir(), "none.yaml")).fails(2, "no such file")
}

func TestApplySaysWhatTheServerRefused(t *testing.T) {
	p := startPlane(t, func(c *server.Config) { c.Provider = "none" })
	p.cliWith("name: d\nimage: i\n", "fn", "apply", "-f", "-").fails(2, "(standard input):1: d:", "NO_PROVIDER")
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestStatsShowWhatWasDone(t *testing.T) {
	p := startPlane(t)
	p.cliWith("name: a\nexecutionMode: LOCAL\n---\nname: b\nexecutionMode: LOCAL\n", "fn", "apply", "-f", "-").ok()
	p.cli("invoke", "a", "--data", "1").ok()
	p.cli("invoke", "a", "--data", "2").ok()
	p.cli("fn", "stats").ok().prints("FUNCTION", "\na ", "\nb ")
	row := strings.Fields(strings.Split(p.cli("fn", "stats", "a").ok().out, "\n")[1])
	if row[0] != "a" || row[1] != "2" || row[2] != "2" {
		t.Errorf("fn stats a: %v, want 2 accepted and 2 ok", row)
	}
	p.cli("fn", "stats", "a", "-o", "jsonpath={.success}").ok().prints("2")
	p.cli("fn", "stats", "a", "b").fails(2, "b")
	p.cli("fn", "stats", "nope").fails(1, `"nope"`)
}
