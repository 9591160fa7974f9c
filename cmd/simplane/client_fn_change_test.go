package main

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"simplane/server"
	"simplane/server/client"
)

// editor has $VISUAL be a script that changes the file in $1.
func editor(t *testing.T, script string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "editor with a blank")
	write(t, file, "#!/bin/sh\nset -e\n"+script+"\n")
	must(t, os.Chmod(file, 0o700))
	t.Setenv("EDITOR", "false")
	t.Setenv("VISUAL", "'"+file+"'")
}

func TestEditChangesAFunctionInPlace(t *testing.T) {
	p := startPlane(t)
	t.Setenv("TMPDIR", t.TempDir())
	nothingKept := func() {
		t.Helper()
		if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v %v", left, err)
		}
	}
	p.cliWith(localSpec("a", "env: {KEY: hunter2}\n"), "fn", "apply", "-f", "-").ok()
	editor(t, `test "$(stat -c %a "$1")" = 600; grep -q hunter2 "$1"; sed -i s/concurrency:.*/concurrency:\ 9/ "$1"`)
	r := p.cli("fn", "edit", "a").ok().prints("a changed\n", "concurrency: 4 -> 9")
	if strings.Contains(r.out, "hunter2") {
		t.Errorf("a value of env was printed: %s", r.out)
	}
	nothingKept()
	p.cli("fn", "get", "a").ok().prints("concurrency: 9", "generation: 2")
	p.cli("fn", "edit", "a").ok().prints("a unchanged\n")
	nothingKept()
	p.cli("fn", "get", "a").ok().prints("generation: 2")
	p.cli("fn", "edit", "none").fails(1, "NOT_FOUND")
	nothingKept()
}

var keptIn = regexp.MustCompile(`kept in (\S+?)[:\n]`)

func TestEditKeepsWhatCannotBeApplied(t *testing.T) {
	p := startPlane(t)
	p.cliWith(localSpec("a", ""), "fn", "apply", "-f", "-").ok()
	t.Setenv("SIMPLANE_SERVER", p.addr)
	for _, c := range []struct {
		name, script, marker string
		code                 int
		why                  []string
	}{
		{"a mistake", `echo 'foo: mark' >> "$1"`, "foo: mark", 2, []string{`unknown key "foo"`}},
		{"renamed", `sed -i 's/^name:.*/name: mark/' "$1"`, "name: mark", 2, []string{"cannot be renamed"}},
		{"emptied", `echo '# mark' > "$1"`, "# mark", 2, []string{"holds no function spec"}},
		{"two", `echo '---
name: mark
image: i' >> "$1"`, "name: mark", 2, []string{"must hold one function"}},
		{"another mode", `sed -i 's/LOCAL/POOL/' "$1"; echo 'endpointUrl: "http://127.0.0.1:1"' >> "$1"`, "POOL", 1, []string{"EXECUTION_MODE_FIXED"}},
		{"the editor fails", `echo '# mark' >> "$1"; exit 3`, "# mark", 1, []string{"the editor: exit status 3"}},
	} {
		t.Setenv("TMPDIR", t.TempDir())
		editor(t, c.script)
		r := p.cli("fn", "edit", "a").fails(c.code, append(c.why, "nothing was changed")...)
		file := keptIn.FindStringSubmatch(r.err)
		if file == nil {
			t.Fatalf("%s: no file is named: %s", c.name, r.err)
		}
		if raw, err := os.ReadFile(file[1]); err != nil || !strings.Contains(string(raw), c.marker) {
			t.Errorf("%s: kept: %s %v", c.name, raw, err)
		}
		p.cli("fn", "get", "a").ok().prints("generation: 1")
	}
}

func TestEditDoesNotOverwriteAnothersChange(t *testing.T) {
	p := startPlane(t)
	p.cliWith(localSpec("a", ""), "fn", "apply", "-f", "-").ok()
	changed := false
	url := between(t, p, func(r *http.Request, _ func()) bool {
		if r.Method == "PUT" && !changed {
			changed = true
			p.cliWith(localSpec("a", "queueSize: 77\n"), "fn", "apply", "-f", "-").ok()
		}
		return false
	})
	t.Setenv("TMPDIR", t.TempDir())
	editor(t, `sed -i s/concurrency:.*/concurrency:\ 9/ "$1"`)
	r := runCLI(t, "", "fn", "edit", "a", "--server", url).fails(1, "GENERATION_CONFLICT", "somebody else", "nothing was changed")
	p.cli("fn", "get", "a").ok().prints("concurrency: 4", "queueSize: 77", "generation: 2")
	// The kept file can be applied once it has been looked at.
	p.cli("fn", "apply", "-f", keptIn.FindStringSubmatch(r.err)[1]).ok().prints("a changed\n", "concurrency: 4 -> 9")
}

func TestRevisionsAreListedAndRolledBackTo(t *testing.T) {
	p := startPlane(t)
	p.cliWith(localSpec("a", ""), "fn", "apply", "-f", "-").ok()
	p.cli("fn", "rollback", "a").fails(1, "one spec only")
	p.cliWith(localSpec("a", "concurrency: 5\n"), "fn", "apply", "-f", "-").ok()
	p.cliWith(localSpec("a", "concurrency: 6\nenv: {K: hunter2}\n"), "fn", "apply", "-f", "-").ok()
	out := p.cli("fn", "revisions", "a").ok().prints("GENERATION", "anonymous", "concurrency: 5 -> 6, env.K: added", "concurrency: 4 -> 5").out
	if strings.Contains(out, "hunter2") || strings.Count(out, "\n") != 4 {
		t.Errorf("revisions: %s", out)
	}
	p.cli("fn", "revisions", "a", "-o", "json").ok().prints(`"generation": 3`)
	p.cli("fn", "rollback", "a").ok().prints("spec of generation 2; now at generation 4", "concurrency: 6 -> 5", "env.K: removed")
	p.cli("fn", "get", "a").ok().prints("concurrency: 5", "generation: 4")
	p.cli("fn", "rollback", "a", "--to", "1").ok().prints("generation 1; now at generation 5")
	p.cli("fn", "get", "a").ok().prints("concurrency: 4")
	p.cli("fn", "rollback", "a", "--to", "5").ok().prints("at generation 5 already")
	p.cli("fn", "rollback", "a", "--to", "99").fails(1, "NOT_FOUND", "99")
	p.cli("fn", "rollback", "a", "--to", "0").fails(2, "--to")
	p.cli("fn", "rollback", "a", "--to", "-1").fails(2, "--to")
	p.cli("fn", "rollback", "none").fails(1, "NOT_FOUND")
	p.cli("fn", "revisions", "none").fails(1, "NOT_FOUND")
}

func TestRollingBackAgainGoesFurtherBack(t *testing.T) {
	p := startPlane(t)
	for _, n := range []string{"4", "5", "6"} {
		p.cliWith(localSpec("a", "concurrency: "+n+"\n"), "fn", "apply", "-f", "-").ok()
	}
	p.cli("fn", "rollback", "a").ok().prints("spec of generation 2; now at generation 4")
	p.cli("fn", "rollback", "a").ok().prints("spec of generation 1; now at generation 5")
	p.cli("fn", "revisions", "a").ok().prints("as 1: concurrency: 5 -> 4", "as 2: concurrency: 6 -> 5")
	p.cli("fn", "rollback", "a").fails(1, "no spec is kept", "--to")
	p.cliWith(localSpec("a", "concurrency: 9\n"), "fn", "apply", "-f", "-").ok()
	p.cli("fn", "rollback", "a").ok().prints("spec of generation 5; now at generation 7")
	p.cli("fn", "rollback", "a").fails(1, "no spec is kept")
}

func TestRollbackDoesNotBringBackWhatApplyTookBack(t *testing.T) {
	p := startPlane(t, func(c *server.Config) { c.Provider = "none" })
	for _, n := range []string{"4", "5"} {
		p.cliWith(localSpec("a", "concurrency: "+n+"\n"), "fn", "apply", "-f", "-").ok()
	}
	p.cliWith(localSpec("a", "concurrency: 77\n")+"---\nname: bad\nimage: i\n", "fn", "apply", "-f", "-").fails(2, "NO_PROVIDER", "rolled back")
	p.cli("fn", "get", "a").ok().prints("concurrency: 5", "generation: 4")
	p.cli("fn", "rollback", "a").ok().prints("spec of generation 1; now at generation 5", "concurrency: 5 -> 4")
}

func TestWhatARollbackGoesBackTo(t *testing.T) {
	type r = client.Revision
	for name, tt := range map[string]struct {
		newestFirst []r
		want        uint64
	}{
		"the one before":                     {[]r{{Generation: 3}, {Generation: 2}, {Generation: 1}}, 2},
		"not one that failed":                {[]r{{Generation: 3, Failed: true}, {Generation: 2, Failed: true}, {Generation: 1}}, 1},
		"all failed":                         {[]r{{Generation: 3}, {Generation: 2, Failed: true}, {Generation: 1, Failed: true}}, 0},
		"before what was restored":           {[]r{{Generation: 4, Restores: 2}, {Generation: 3}, {Generation: 2}, {Generation: 1}}, 1},
		"through a rollback of a rollback":   {[]r{{Generation: 5, Restores: 4}, {Generation: 4, Restores: 2}, {Generation: 3}, {Generation: 2}, {Generation: 1}}, 1},
		"nothing before what was restored":   {[]r{{Generation: 3, Restores: 1}, {Generation: 2}, {Generation: 1}}, 0},
		"what was restored is kept no more":  {[]r{{Generation: 13, Restores: 1}, {Generation: 12}}, 0},
		"a restored one is as good as any":   {[]r{{Generation: 4}, {Generation: 3, Restores: 1}, {Generation: 2}, {Generation: 1}}, 3},
		"a server that lies does not loop":   {[]r{{Generation: 3, Restores: 3}, {Generation: 2}}, 0},
		"what was restored failed meanwhile": {[]r{{Generation: 4, Restores: 2, Failed: true}, {Generation: 3}, {Generation: 2}, {Generation: 1}}, 1},
	} {
		if got := before(tt.newestFirst); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}

func TestScaleSetsReplicas(t *testing.T) {
	p := startPlane(t, func(c *server.Config) { c.Provider = "process" })
	p.cliWith("name: d\nimage: i\nruntimeMode: STDIO\ncommands: [cat]\n---\n"+localSpec("a", ""), "fn", "apply", "-f", "-").ok()
	p.cli("fn", "scale", "d", "2").ok().prints("d scaled to 2\n")
	p.cli("fn", "scale", "d", "0", "-o", "json").ok().prints(`"replicas": 0`)
	p.cli("fn", "scale", "a", "1").fails(2, "DEPLOYMENT functions only")
	p.cli("fn", "scale", "none", "1").fails(1, "NOT_FOUND")
	for _, bad := range []string{"many", "1.5", "9999999999999999999", ""} {
		p.cli("fn", "scale", "d", bad).fails(2, "REPLICAS")
	}
	p.cli("fn", "scale", "d", "1000000000").fails(2, "replicas: must be a whole number from 0 to")
	p.cli("fn", "scale", "d").fails(2, "REPLICAS is missing")
}
