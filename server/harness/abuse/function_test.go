package abuse

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The test binary is also the functions of the tests: with this variable it
// plays a role in place of running tests.
const roleEnv = "SIMPLANE_ABUSE_ROLE"

var roles = map[string]func(){}

func init() {
	if play := roles[os.Getenv(roleEnv)]; play != nil {
		play()
		os.Exit(0)
	}
}

// role adds a role; it is called before any init function, by a variable.
func role(name string, play func()) bool {
	roles[name] = play
	return true
}

// roleSpec is the spec of a function that plays a role, with more members
// ("key": JSON, …) and variables.
func roleSpec(t *testing.T, name, role, members string, env map[string]string) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if env == nil {
		env = map[string]string{}
	}
	env[roleEnv] = role
	variables, _ := json.Marshal(env)
	if members != "" {
		members = "," + members
	}
	return fmt.Sprintf(`{"name":%q,"image":"local","commands":[%q],"env":%s,"maxRetries":0%s}`, name, exe, variables, members)
}

// told waits for the number that a function writes into a file, with a newline.
func told(t *testing.T, file string) (n int) {
	t.Helper()
	for end := time.Now().Add(hangGuard); ; time.Sleep(5 * time.Millisecond) {
		text, _ := os.ReadFile(file)
		line, whole := strings.CutSuffix(string(text), "\n")
		if n, err := strconv.Atoi(line); whole && err == nil {
			return n
		}
		if time.Now().After(end) {
			t.Fatalf("nothing was written to %s", file)
		}
	}
}

func tell(file string, n int) {
	next := filepath.Join(filepath.Dir(file), "."+filepath.Base(file))
	if os.WriteFile(next, []byte(strconv.Itoa(n)+"\n"), 0o644) == nil {
		_ = os.Rename(next, file)
	}
}

func newClient() *http.Client { return &http.Client{Timeout: hangGuard} }

func (v *victim) invoke(name, input string) (status int, body string) {
	v.t.Helper()
	a := v.call(http.MethodPost, v.API+"/v1/functions/"+name+":invoke", `{"input":`+input+`}`)
	return a.Status, string(a.Body)
}
