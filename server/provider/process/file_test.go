package process

import (
	"os"
	"testing"
	"time"

	"simplane/server/provider"
)

func TestFile(t *testing.T) {
	temp := t.TempDir()
	p := start(t, Options{TempDir: temp, MaxOutputBytes: 1 << 20})
	for _, f := range []struct {
		name, command, code string
		message             []string
		output              string
	}{
		{name: "copies", command: `cat "$INPUT_FILE" > "$OUTPUT_FILE"`, output: `{"a":1}`},
		{name: "fails", command: `echo no such customer >&2; exit 4`, code: provider.CodeFailed, message: []string{"code 4", "no such customer"}},
		{name: "garbage", command: `echo not json > "$OUTPUT_FILE"`, code: provider.CodeBadOutput, message: []string{"not json"}},
		{name: "nothing", command: `true`, code: provider.CodeBadOutput, message: []string{"no OUTPUT_FILE"}},
		{name: "fifo", command: `mkfifo "$OUTPUT_FILE"`, code: provider.CodeBadOutput, message: []string{"regular file"}},
		{name: "huge", command: `head -c 2000000 /dev/zero > "$OUTPUT_FILE"`, code: provider.CodeBadOutput, message: []string{"1048576 bytes"}},
		{name: "killed", command: `kill -9 $$`, code: provider.CodeCrashed, message: []string{"signal 9"}},
	} {
		provision(t, p, provider.Deployment{Name: f.name, RuntimeMode: provider.FILE, RuntimeCommand: f.command, Replicas: 1})
		r := invoke(t, p, f.name, `{"a":1}`)
		if f.code == "" {
			wantOutput(t, r, f.output)
		} else {
			wantCode(t, r, f.code, f.message...)
		}
		if !r.ColdStart || r.InitDuration <= 0 {
			t.Errorf("%s: each process is a cold start: %+v", f.name, r)
		}
	}
	provision(t, p, provider.Deployment{Name: "hangs", RuntimeMode: provider.FILE, RuntimeCommand: `sleep 1000`, Replicas: 1})
	wantCode(t, invokeFor(t, p, "hangs", `1`, 100*time.Millisecond), provider.CodeTimeout)

	left, err := os.ReadDir(temp)
	if err != nil || len(left) != 0 {
		t.Errorf("left in the temporary directory: %v %v", left, err)
	}
}

func TestFileSizeIsLimited(t *testing.T) {
	p := start(t, Options{MaxFileBytes: 1 << 20})
	provision(t, p, provider.Deployment{Name: "runaway", RuntimeMode: provider.FILE, Replicas: 1,
		RuntimeCommand: `exec cat /dev/zero > "$OUTPUT_FILE"`})
	wantCode(t, invoke(t, p, "runaway", `1`), provider.CodeCrashed, "file size")
}

func readFile(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
