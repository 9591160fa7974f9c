package abuse

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// What needs no token is in the log at start, on loopback too.
func TestOpenScopesAreSaidAtStart(t *testing.T) {
	for _, tc := range []struct {
		args []string
		says []string // of the warnings; none when there is to be no warning
	}{
		{nil, []string{"no token is needed", "every user and program of this machine", "run functions", "register functions", "administer", "invokeTokenFile, manageTokenFile and internalTokenFile"}},
		{[]string{"--manage-token=m", "--internal-token=x"}, []string{"no token is needed", "run functions"}},
		{[]string{"--manage-token=m", "--internal-token=x", "--invoke-token=i"}, nil},
	} {
		v := start(t, tc.args...)
		v.healthy()
		for _, part := range tc.says { // the log may come after the addresses
			eventually(t, fmt.Sprintf("%v: a warning with %q", tc.args, part), func() bool { return strings.Contains(warnings(v.Log()), part) })
		}
		if said := warnings(v.Log()); tc.says == nil && said != "" {
			t.Errorf("%v: %q", tc.args, said)
		}
	}
}

// warnings are those lines of a log, and those of errors.
func warnings(log string) (lines string) {
	for line := range strings.Lines(log) {
		if strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") {
			lines += line
		}
	}
	return lines
}

// An address that other machines reach is not opened without a word.
func TestOpenScopesBeyondLoopbackAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{"--addr=0.0.0.0:0"}, {"--addr=[::]:0"}, {"--addr=:0"}, {"--mgmt-addr=0.0.0.0:0"},
		{"--addr=0.0.0.0:0", "--manage-token=m", "--internal-token=x"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), hangGuard)
		cmd := exec.CommandContext(ctx, binary, append([]string{"serve", "--addr=127.0.0.1:0", "--mgmt-addr=127.0.0.1:0"}, args...)...)
		out, err := cmd.CombinedOutput()
		cancel()
		if code := cmd.ProcessState.ExitCode(); err == nil || code != 2 || !strings.Contains(string(out), "--insecure") {
			t.Errorf("%v: exit code %d: %s", args, code, out)
		}
	}
	v := start(t, "--addr=0.0.0.0:0", "--insecure")
	eventually(t, "a warning that whoever reaches this machine can", func() bool {
		return strings.Contains(warnings(v.Log()), "whoever reaches this machine can")
	})
}
