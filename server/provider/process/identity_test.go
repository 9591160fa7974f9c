package process

import (
	"encoding/json"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"simplane/server/provider"
)

func TestLookUpUser(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Skip("NOT TESTED:", err)
	}
	for _, text := range []string{me.Username, me.Uid, me.Uid + ":" + me.Gid} {
		got, err := LookUpUser(text)
		if err != nil || got.uid != number(me.Uid) || got.gid != number(me.Gid) || got.other || got.home != me.HomeDir {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"":                   "no user",
		"no-such-user-here":  "no user",
		"4000000001":         "give its group too",
		me.Uid + ":no-group": "no group",
		"-1:0":               "no user",
		"4294967295:0":       "no user",
		"0x10:0":             "no user",
	} {
		if got, err := LookUpUser(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v; want %q", text, got, err, want)
		}
	}
	other, err := LookUpUser("4000000001:4000000002")
	if os.Geteuid() != 0 {
		if err == nil || !strings.Contains(err.Error(), "only root") {
			t.Errorf("another user without root: %+v, %v", other, err)
		}
		return
	}
	if err != nil || other.uid != 4000000001 || other.gid != 4000000002 || !other.other || other.home != "/" {
		t.Errorf("%+v, %v", other, err)
	}
}

// Functions of every mode work as another user, who can read nothing else of
// simplane's.
func TestFunctionsOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: functions of another user; that needs root")
	}
	other, err := LookUpUser("54321:54322")
	if err != nil {
		t.Fatal(err)
	}
	// The directories of tests are their user's only.
	temp, err := os.MkdirTemp("", "process-user-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(temp)
	exe := filepath.Join(temp, "exe")
	program, err := os.ReadFile(self(t, "stdio").Commands[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(exe, program, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(temp, 0o755); err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(temp, "secret")
	if err := os.WriteFile(secret, []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, Options{User: &other, WorkDir: "/", TempDir: temp})

	for _, role := range []string{"http", "stdio"} {
		d := self(t, role)
		d.Commands = []string{exe}
		if role == "stdio" {
			d.RuntimeMode = provider.STDIO
		}
		provision(t, p, d)
		r := invoke(t, p, role, `7`)
		if !r.OK() || !strings.Contains(string(r.Output), "7") {
			t.Errorf("%s: %+v", role, r)
		}
	}
	provision(t, p, provider.Deployment{Name: "who", RuntimeMode: provider.FILE, Replicas: 1, Env: map[string]string{"SECRET": secret},
		RuntimeCommand: `cat "$INPUT_FILE" "$METADATA_FILE" > /dev/null || exit 1
			echo as a log line > /dev/stderr || exit 2
			cat "$SECRET" && exit 3
			printf '["%s","%s","%s","%s"]' "$(id -u)" "$(id -g)" "$(id -G)" "$HOME" > "$OUTPUT_FILE"`})
	r := invoke(t, p, "who", `1`)
	var got []string
	if err := json.Unmarshal(r.Output, &got); err != nil {
		t.Fatalf("%+v", r)
	}
	if want := "54321 54322 54322 /"; strings.Join(got, " ") != want {
		t.Errorf("it ran as %q, want %s", got, want)
	}
	wantLog(t, p, "who", "as a log line")
	if left := left(t, temp); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}

	// One that makes its output a link to what only simplane may read.
	provision(t, p, provider.Deployment{Name: "link", RuntimeMode: provider.FILE, Replicas: 1, Env: map[string]string{"SECRET": secret},
		RuntimeCommand: `ln -s "$SECRET" "$OUTPUT_FILE"`})
	wantCode(t, invoke(t, p, "link", `1`), provider.CodeBadOutput, "symbolic link")
	// And one that cannot end it: simplane can.
	provision(t, p, provider.Deployment{Name: "deaf", RuntimeMode: provider.FILE, Replicas: 1, RuntimeCommand: `trap '' TERM; sleep 1000`})
	wantCode(t, invokeFor(t, p, "deaf", `1`, 1e8), provider.CodeTimeout)
}
