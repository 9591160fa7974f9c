package process

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
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

	if left := left(t, temp); len(left) != 0 {
		t.Errorf("left in the temporary directory: %v", left)
	}
}

// left lists the files of invocations below a temporary directory.
func left(t *testing.T, temp string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(temp, exchangePrefix+"*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// What a function puts in the place of its output is not followed anywhere: with
// simplane's rights it could be any file of the machine.
func TestOutputThatIsNoFileOfTheFunctions(t *testing.T) {
	temp := t.TempDir()
	p := start(t, Options{TempDir: temp, MaxOutputBytes: 1 << 20})
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(`"the secret"`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]struct{ command, message string }{
		"symlink":     {`ln -s "$SECRET" "$OUTPUT_FILE"`, "symbolic link"},
		"proc":        {`ln -s /proc/self/environ "$OUTPUT_FILE"`, "symbolic link"},
		"hard link":   {`ln "$SECRET" "$OUTPUT_FILE"`, "link to another file"},
		"directory":   {`mkdir "$OUTPUT_FILE"`, "not a regular file"},
		"device":      {`ln -s /dev/zero "$OUTPUT_FILE"`, "symbolic link"},
		"sparse":      {`truncate -s 100G "$OUTPUT_FILE" || truncate -s 200M "$OUTPUT_FILE"`, "1048576 bytes"},
		"parent":      {`d=$(dirname "$OUTPUT_FILE"); mv "$d" "$d-away"; ln -s "$(dirname "$SECRET")" "$d"; ln "$SECRET" "$SECRET-2"; mv "$SECRET-2" "$d/output.json"`, "no OUTPUT_FILE"},
		"parent file": {`d=$(dirname "$OUTPUT_FILE"); mv "$d" "$d-away"; mkdir "$d"; echo 1 > "$d/output.json"`, "no OUTPUT_FILE"},
	} {
		name = strings.ReplaceAll(name, " ", "-")
		provision(t, p, provider.Deployment{Name: name, RuntimeMode: provider.FILE, RuntimeCommand: f.command, Replicas: 1,
			Env: map[string]string{"SECRET": secret}})
		r := invoke(t, p, name, `1`)
		wantCode(t, r, provider.CodeBadOutput, f.message)
		if strings.Contains(string(r.Output)+r.ErrorMessage, "the secret") {
			t.Errorf("%s: the answer has the secret: %+v", name, r)
		}
	}
	wantSecret := readFile(t, secret)
	if wantSecret != `"the secret"` {
		t.Errorf("the secret is %q now", wantSecret)
	}
	for _, dir := range left(t, temp) {
		if files, _ := filepath.Glob(dir + "/*.json"); len(files) > 0 {
			t.Errorf("left behind: %v", files)
		}
	}
}

func TestFileOfAnotherUserIsNoOutput(t *testing.T) {
	x := &exchanges{temp: t.TempDir(), user: ownIdentity()}
	defer x.close()
	e, err := x.open("one", map[string][]byte{outputFile: []byte("1")})
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	if got, err := e.read(outputFile, 10); string(got) != "1" || err != nil {
		t.Errorf("%q %v", got, err)
	}
	e.user.uid++
	if got, err := e.read(outputFile, 10); err == nil || !strings.Contains(err.Error(), "belongs to user") {
		t.Errorf("read %q of another user's file, %v", got, err)
	}
}

// A function may take the rights from its directory; what is in it is read and
// removed all the same.
func TestOutputInALockedDirectory(t *testing.T) {
	temp := t.TempDir()
	p := start(t, Options{TempDir: temp})
	provision(t, p, provider.Deployment{Name: "locks", RuntimeMode: provider.FILE, Replicas: 1,
		RuntimeCommand: `echo 1 > "$OUTPUT_FILE"; chmod 0 "$(dirname "$OUTPUT_FILE")"`})
	wantOutput(t, invoke(t, p, "locks", `1`), `1`)
	if left := left(t, temp); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestFileMetadataOfAnySize(t *testing.T) {
	p := start(t, Options{})
	provision(t, p, provider.Deployment{Name: "meta", RuntimeMode: provider.FILE, Replicas: 1,
		RuntimeCommand: `printf '[%s,"%s"]' "$(wc -c < "$METADATA_FILE")" "${METADATA:+set}" > "$OUTPUT_FILE"`})
	for _, c := range []struct {
		size int
		want string
	}{{0, `[2,"set"]`}, {50, `[50,"set"]`}, {100 << 10, `[102400,"set"]`}, {100<<10 + 1, `[102401,""]`}, {3 << 20, `[3145728,""]`}} {
		metadata := ""
		if c.size > 0 {
			metadata = `{"k":"` + strings.Repeat("m", c.size-len(`{"k":""}`)) + `"}`
		}
		r := p.Invoke(context.Background(), "meta", provider.Invocation{Input: []byte(`1`), Metadata: []byte(metadata)})
		wantOutput(t, r, c.want)
	}
}

// A provider removes what others left that are gone, and nothing else.
func TestLeftFilesAreSwept(t *testing.T) {
	temp := t.TempDir()
	alive := &exchanges{temp: temp, user: ownIdentity()}
	defer alive.close()
	if _, err := alive.open("call", map[string][]byte{inputFile: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	make := func(name string) string {
		t.Helper()
		dir := filepath.Join(temp, name)
		if err := os.MkdirAll(filepath.Join(dir, "call"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "call", inputFile), []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	dead, other := make(exchangePrefix+"123"), make("simplane-other")
	target := make("target")
	link := filepath.Join(temp, exchangePrefix+"link")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	keep := []string{alive.base.path + "/call/" + inputFile, other + "/call", target + "/call", link}
	var foreign string
	if os.Getuid() == 0 {
		foreign = make(exchangePrefix + "foreign")
		if err := os.Chown(foreign, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		keep = append(keep, foreign+"/call")
	} else {
		t.Log("NOT TESTED: another user's directory; that needs root")
	}
	start(t, Options{TempDir: temp})
	eventually(t, "what was left is gone", func() bool { _, err := os.Lstat(dead); return os.IsNotExist(err) })
	for _, path := range keep {
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("removed although it is not known to be left: %v", err)
		}
	}
}

// Providers that start and stop at once never take another's directory.
func TestClaimsOfManyAtOnce(t *testing.T) {
	temp := t.TempDir()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 30 {
				c, err := newClaim(temp, exchangePrefix)
				if err != nil {
					t.Error(err)
					return
				}
				if err := sweep(temp, exchangePrefix, os.RemoveAll); err != nil {
					t.Error(err)
				}
				if _, err := os.Stat(c.path); err != nil {
					t.Errorf("swept in use: %v", err)
				}
				if err := c.release(os.RemoveAll); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
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
