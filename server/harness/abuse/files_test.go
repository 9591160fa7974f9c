package abuse

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"simplane/server/harness/node"
)

// Findings: the inputs of FILE functions stayed after kill -9 of simplane, and a
// FILE function that made OUTPUT_FILE a link had simplane read any file.

// inputs lists what FILE invocations have left below a temporary directory.
func inputs(t *testing.T, temp string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(temp, func(path string, _ os.DirEntry, err error) error {
		if filepath.Base(path) == "input.json" {
			found = append(found, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(hangGuard); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

func TestInputsDoNotOutliveAKilledSimplane(t *testing.T) {
	temp := t.TempDir()
	first, err := node.Start(node.Options{Binary: binary, Env: []string{"TMPDIR=" + temp}})
	if err != nil {
		t.Fatal(err)
	}
	v := &victim{t: t, Node: first, client: newClient()}
	v.register(`{"name":"f","image":"local","runtimeMode":"FILE","runtimeCommand":"sleep 1000"}`)
	for range 3 {
		if a := v.call("POST", v.API+"/v1/functions/f:enqueue", `{"input":"secret"}`); a.Status != 202 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
	}
	eventually(t, "the inputs are written", func() bool { return len(inputs(t, temp)) == 3 })
	first.Kill()

	second, err := node.Start(node.Options{Binary: binary, Env: []string{"TMPDIR=" + temp}})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Stop()
	eventually(t, "the inputs are gone", func() bool { return len(inputs(t, temp)) == 0 })
}

func TestOutputFileThatIsALink(t *testing.T) {
	v := start(t)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(`"the secret"`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, command := range map[string]string{
		"symbolic": `ln -s ` + secret + ` $OUTPUT_FILE`,
		"hard":     `ln ` + secret + ` $OUTPUT_FILE`,
		"parent":   `d=$(dirname $OUTPUT_FILE); mv $d $d-2; ln -s ` + filepath.Dir(secret) + ` $d; cp ` + secret + ` $d/output.json`,
		"fifo":     `mkfifo $OUTPUT_FILE`,
		"endless":  `ln -s /dev/zero $OUTPUT_FILE`,
		"environ":  `ln -s /proc/self/environ $OUTPUT_FILE`,
	} {
		v.register(`{"name":"` + name + `","image":"local","runtimeMode":"FILE","maxRetries":0,"runtimeCommand":"` + command + `"}`)
		if _, answer := v.invoke(name, `1`); !strings.Contains(answer, "FUNCTION_BAD_OUTPUT") || strings.Contains(answer, "the secret") {
			t.Errorf("%s: %s", name, answer)
		}
	}
	v.healthy()
}
