package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Tokens in the arguments or the environment of a process can be read by other
// processes for as long as it runs, in /proc/PID/cmdline and /proc/PID/environ:
// the command line by every user, the environment by all processes of the same
// user, functions included. Both files show the memory in which the kernel has
// put the strings when the program was started. So they are overwritten there
// before anything else is done, after copies were made. What remains is the
// moment until then, and the copies, which need access to all memory of the
// process; see notDumpable.

// secretsShown says which secrets could not be hidden; nil for none.
var secretsShown error

// secretEnv has the variables that were taken out of the environment, so that
// no child inherits them.
var secretEnv = map[string]string{}

// lookupEnv is os.LookupEnv, with the variables that were taken out.
func lookupEnv(name string) (string, bool) {
	if value, ok := os.LookupEnv(name); ok {
		return value, ok
	}
	value, ok := secretEnv[name]
	return value, ok
}

func getenv(name string) string {
	value, _ := lookupEnv(name)
	return value
}

// secretFlag reports whether a flag's value is a secret: --token,
// --manage-token and the like, and a header that authenticates.
func secretFlag(name, value string) bool {
	header, _, _ := strings.Cut(value, ":")
	switch header = strings.ToLower(header); {
	case name == "-H", name == "--header":
		return strings.Contains(header, "auth") || strings.Contains(header, "token") || strings.Contains(header, "key") || header == "cookie"
	}
	return name == "--token" || strings.HasPrefix(name, "--") && strings.HasSuffix(name, "-token")
}

// secretVariable reports whether a variable holds a secret: simplane's tokens,
// and the headers for collectors, which often hold one.
func secretVariable(name string) bool {
	return strings.HasPrefix(name, "SIMPLANE_") && strings.HasSuffix(name, "TOKEN") ||
		strings.HasPrefix(name, "OTEL_EXPORTER_OTLP_") && strings.HasSuffix(name, "HEADERS")
}

// hideSecrets overwrites the secrets in the process's arguments and
// environment as other processes see them, and replaces os.Args by copies with
// the secrets. The error says what others can still read.
func hideSecrets() error {
	original := os.Args
	os.Args = make([]string, len(original))
	for i, arg := range original {
		os.Args[i] = strings.Clone(arg)
	}
	for i, arg := range os.Args {
		name, value, inOne := strings.Cut(arg, "=")
		at := i
		switch {
		case strings.HasPrefix(arg, "-H") && len(arg) > len("-H"):
			name, value = "-H", strings.TrimPrefix(arg[2:], "=")
		case !inOne && i+1 < len(os.Args):
			at, value = i+1, os.Args[i+1]
		}
		if secretFlag(name, value) {
			b := memory(original[at])
			overwrite(b[len(b)-len(value):])
		}
	}
	if !slices.ContainsFunc(os.Environ(), func(kv string) bool { name, _, _ := strings.Cut(kv, "="); return secretVariable(name) }) {
		return nil
	}
	block, err := environmentBlock(original)
	if err != nil {
		return fmt.Errorf("other processes of this user can read the tokens in the environment (/proc/%d/environ); give files instead: %w", os.Getpid(), err)
	}
	for len(block) > 0 {
		end := slices.Index(block, 0)
		if end < 0 {
			end = len(block)
		}
		if name, value, ok := strings.Cut(string(block[:end]), "="); ok && secretVariable(name) {
			overwrite(block[end-len(value) : end])
		}
		block = block[min(end+1, len(block)):]
	}
	for _, kv := range os.Environ() {
		// The collector's variables are read by the exporter itself.
		if name, value, _ := strings.Cut(kv, "="); secretVariable(name) && strings.HasPrefix(name, "SIMPLANE_") {
			secretEnv[name] = value
			_ = os.Unsetenv(name)
		}
	}
	return nil
}

// memory is the memory of a string, which must be an argument as the kernel
// has put it there: that memory is writable, unlike others'.
func memory(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

func overwrite(b []byte) {
	for i := range b {
		b[i] = 'x'
	}
}

// environmentBlock is the memory that /proc/PID/environ shows. The kernel puts
// it behind the arguments; how far behind is in /proc/self/stat.
func environmentBlock(args []string) ([]byte, error) {
	raw, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return nil, err
	}
	// The second field, the program's name, may contain blanks.
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	const argStart, envStart, envEnd = 48, 50, 51 // as proc(5) counts them
	var at [envEnd + 1]uint64
	for i := range at {
		if n := i - 3; n >= 0 && n < len(fields) {
			at[i], _ = strconv.ParseUint(fields[n], 10, 64)
		}
	}
	if len(args) == 0 || uint64(uintptr(unsafe.Pointer(unsafe.StringData(args[0])))) != at[argStart] || at[envStart] < at[argStart] || at[envEnd] < at[envStart] {
		return nil, errors.New("the memory of the environment is not where /proc/self/stat should say")
	}
	start := unsafe.Add(unsafe.Pointer(unsafe.StringData(args[0])), at[envStart]-at[argStart])
	return unsafe.Slice((*byte)(start), at[envEnd]-at[envStart]), nil
}

// notDumpable closes the process's memory, environment and open files to other
// processes of the same user, functions included: no debugger, no
// /proc/PID/mem, no core dump. What this process reads of itself is not
// affected, and programs that it starts are dumpable again.
func notDumpable() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("functions can read this process's memory: PR_SET_DUMPABLE: %w", err)
	}
	return nil
}
