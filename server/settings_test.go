package server

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// load reads settings from flags, an environment and, when yaml is not empty,
// a config file. It returns the file's path too.
func load(t *testing.T, args []string, env map[string]string, yaml string) (*Settings, string, error) {
	t.Helper()
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	s := NewSettings(flags)
	path := ""
	if yaml != "" {
		path = filepath.Join(t.TempDir(), "simplane.yaml")
		if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config", path)
	}
	if err := flags.Parse(args); err != nil {
		return s, path, err
	}
	return s, path, s.Load(func(name string) (string, bool) { v, ok := env[name]; return v, ok })
}

func TestSettingsDefaults(t *testing.T) {
	s, _, err := load(t, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(s.Config, DefaultConfig()) {
		t.Errorf("got %+v\nwant %+v", s.Config, DefaultConfig())
	}
	if c := s.Config; c.Addr != "127.0.0.1:8080" || c.MgmtAddr != "127.0.0.1:8081" || c.MaxBodyBytes != 4<<20 ||
		c.Core.TTL != 300*time.Second || c.Core.CleanupTTL != 120*time.Second || c.Core.StaleTTL != 600*time.Second || c.Core.SchedulerOff || !c.AsyncEnabled || !c.CancelOnDisconnect {
		t.Errorf("the documented defaults: %+v", c)
	}
}

func TestSettingsPrecedence(t *testing.T) {
	const file = "maxFunctions: 1\nmaxExecutions: 1\nshards: 1\n"
	env := map[string]string{"SIMPLANE_MAX_FUNCTIONS": "2", "SIMPLANE_MAX_EXECUTIONS": "2"}
	s, _, err := load(t, []string{"--max-functions=3"}, env, file)
	if err != nil {
		t.Fatal(err)
	}
	if k := s.Config.Core; k.MaxFunctions != 3 || k.MaxExecutions != 2 || k.Shards != 1 {
		t.Errorf("flag over environment over file: %d %d %d", k.MaxFunctions, k.MaxExecutions, k.Shards)
	}

	// The file may be named by the environment, and a flag names another.
	other := filepath.Join(t.TempDir(), "other.yaml")
	if err := os.WriteFile(other, []byte("shards: 7"), 0o600); err != nil {
		t.Fatal(err)
	}
	env = map[string]string{"SIMPLANE_CONFIG": other}
	if s, _, err = load(t, nil, env, ""); err != nil || s.Config.Core.Shards != 7 {
		t.Errorf("SIMPLANE_CONFIG: %d %v", s.Config.Core.Shards, err)
	}
	if s, _, err = load(t, nil, env, "shards: 8"); err != nil || s.Config.Core.Shards != 8 {
		t.Errorf("--config over SIMPLANE_CONFIG: %d %v", s.Config.Core.Shards, err)
	}
}

// another returns a valid value of a flag that is not its default.
func another(t *testing.T, f *pflag.Flag) string {
	switch f.Name {
	case "invoke-token-file", "manage-token-file", "internal-token-file":
		file := filepath.Join(t.TempDir(), f.Name)
		if err := os.WriteFile(file, []byte("token\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	case "addr", "mgmt-addr":
		return "127.0.0.1:1234"
	case "provider":
		return "none"
	case "log-level":
		return "debug"
	case "log-format":
		return "json"
	case "scheduler":
		return "off"
	case "otlp-endpoint":
		return "http://127.0.0.1:4318"
	case "endpoint-allow":
		return "10.0.0.0/8"
	case "container-pull":
		return "always"
	case "container-reach":
		return "port"
	case "fsync":
		return "every=20ms"
	case "shards":
		return "32"
	case "cluster-replicas":
		return "5"
	case "max-reading-bytes", "flight-recorder-bytes", "record-max-bytes":
		return "12345678"
	case "function-user":
		return strconv.Itoa(os.Geteuid()) + ":" + strconv.Itoa(os.Getegid())
	}
	switch f.Value.Type() {
	case "duration":
		return "7s"
	case "bool":
		return map[string]string{"true": "false", "false": "true"}[f.DefValue]
	case "float64":
		return "0.5"
	case "string":
		return "some-text"
	}
	return "12345"
}

// Every key can be given in all three forms, and each has the same effect.
func TestSettingsEveryKeyInEveryForm(t *testing.T) {
	once(t)
	defaults := DefaultConfig()
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	NewSettings(flags)
	count := 0
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name == "config" {
			return
		}
		count++
		value, key := another(t, f), camelCase(f.Name)
		byFlag, _, err1 := load(t, []string{"--" + f.Name + "=" + value}, nil, "")
		byEnv, _, err2 := load(t, nil, map[string]string{envName(f.Name): value}, "")
		byFile, _, err3 := load(t, nil, nil, key+": "+value)
		byKebab, _, err4 := load(t, nil, nil, f.Name+": "+value)
		for form, err := range map[string]error{"flag": err1, "environment": err2, "file": err3, "file, kebab-case": err4} {
			if err != nil {
				t.Errorf("%s as %s: %v", f.Name, form, err)
			}
		}
		if reflect.DeepEqual(byFlag.Config, defaults) {
			t.Errorf("--%s=%s changes nothing", f.Name, value)
		}
		for form, s := range map[string]*Settings{"environment": byEnv, "file": byFile, "file, kebab-case": byKebab} {
			if !reflect.DeepEqual(s.Config, byFlag.Config) {
				t.Errorf("%s as %s differs from the flag", f.Name, form)
			}
		}
		if f.Usage == "" {
			t.Errorf("--%s has no usage text", f.Name)
		}
	})
	if count < 30 {
		t.Errorf("only %d keys", count)
	}
}

func TestSettingsNestedKeys(t *testing.T) {
	s, _, err := load(t, nil, nil, "syncQueue:\n  enabled: true\n  maxDepth: 5\n  max-concurrency: 6\n")
	if err != nil {
		t.Fatal(err)
	}
	if q := s.Config.Core.SyncQueue; !q.Enabled || q.MaxDepth != 5 || q.MaxConcurrency != 6 {
		t.Errorf("%+v", q)
	}
}

// A list of tokens with names in the file is what the flag takes in one line.
func TestSettingsTokenLists(t *testing.T) {
	a, b := "sha256:"+strings.Repeat("a1", 32), "sha256:"+strings.Repeat("b2", 32)
	s, _, err := load(t, nil, nil, "manageToken:\n  - {name: ci, hash: '"+a+"'}\n  - "+b+"\n  - plain\ninternalToken: ops="+a+"\n")
	if err != nil {
		t.Fatal(err)
	}
	if want := "ci=" + a + "," + b + ",plain"; s.Config.ManageToken != want || s.Config.InternalToken != "ops="+a {
		t.Errorf("manage %q, want %q; internal %q", s.Config.ManageToken, want, s.Config.InternalToken)
	}
	s, _, err = load(t, []string{"--manage-token=flag"}, nil, "manageToken: [{name: ci, hash: '"+a+"'}]")
	if err != nil || s.Config.ManageToken != "flag" {
		t.Errorf("with a flag: %q %v", s.Config.ManageToken, err)
	}
	for _, tc := range []struct{ yaml, want string }{
		{"manageToken: []", "FILE:1: manageToken: there is no token in the list"},
		{"manageToken:\n  - {name: ci}", "FILE:2: manageToken: a token's hash must be"},
		{"manageToken:\n  - {name: ci, hash: secret}", "FILE:2: manageToken: a token's hash must be"},
		{"manageToken:\n  - ok\n  - {name: 'c i', hash: '" + a + "'}", "FILE:3: manageToken: a token's name must be"},
		{"manageToken:\n  - {name: ci, token: secret}", `FILE:2: manageToken: unknown key "token" of a token`},
		{"manageToken:\n  - [secret]", "FILE:2: manageToken: each entry must be a token, or a mapping"},
		{"manageToken:\n  - {name: ci, hash: [secret]}", "FILE:2: manageToken: hash: expected a single value"},
		{"manageToken:\n  - {name: ci, hash: 'sha256:12'}", "FILE:2: manageToken: after sha256: there must be 64 hex digits"},
		{"ttl: [5s]", "FILE:1: ttl: expected a single value"},
	} {
		_, file, err := load(t, nil, nil, tc.yaml)
		if err == nil || !strings.Contains(err.Error(), strings.ReplaceAll(tc.want, "FILE", file)) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, want %s", tc.yaml, err, tc.want)
		}
	}
}

func TestSettingsBooleanFlagsNeedNoValue(t *testing.T) {
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	NewSettings(flags)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Value.Type() == "bool" {
			if _, _, err := load(t, []string{"--" + f.Name}, nil, ""); err != nil {
				t.Errorf("--%s: %v", f.Name, err)
			}
		}
	})
}

// Errors of the file name file and line; FILE stands for its path.
func TestSettingsFileErrors(t *testing.T) {
	for _, tc := range []struct{ yaml, want string }{
		{"ttl: 5s\nmaxFunctions: many\n", `FILE:2: maxFunctions: "many" is not valid`},
		{"ttl: soon", `FILE:1: ttl: "soon" is not valid`},
		{"\n\nttl: 5\n", `FILE:3: ttl: 5 has no unit`},
		{"scheduler: perhaps", "FILE:1: scheduler:"},
		{"# c\nmaxFunctons: 5\n", `FILE:2: unknown key "maxFunctons"; did you mean "maxFunctions"?`},
		{"rateMaxPerSec: 5", `FILE:1: unknown key "rateMaxPerSec"; did you mean "rateMaxPerSecond"?`},
		{"zzz: 5", `FILE:1: unknown key "zzz"; see 'simplane serve --help'`},
		{"syncQueue:\n  maxDeth: 1\n", `FILE:2: unknown key "maxDeth"; did you mean "syncQueueMaxDepth"?`},
		{"config: x", `FILE:1: unknown key "config"`},
		{"ttl: 5s\nttl: 6s\n", `FILE:2: key "ttl" is given twice`},
		{"syncQueueMaxDepth: 1\nsyncQueue:\n  maxDepth: 2\n", `FILE:3: key "maxDepth" is given twice`},
		{"ttl: [1, 2]\n", "FILE:1: ttl: expected a single value"},
		{"ttl:\n  a: 1\n", "FILE:2: ttl: expected a single value"},
		{"- ttl\n", "FILE:1: expected a mapping"},
		{"just text\n", "FILE:1: expected a mapping"},
		{"ttl: 5s\n  broken: [\n", "FILE:2:"},
		{"ttl: \"unclosed\nmore\n", "FILE:"},
		{"ttl: 5s\n---\nttl: 6s\n", "FILE:3: only one YAML document"},
		{"a: &a [*a]\n", `FILE:1: the anchor "a" contains itself`},
		{"ttl: \x00\n", "FILE:1: not a text file"},
		// An empty token would silently open what it should close.
		{"a: 1\ninternalToken:\n", "FILE:2: internalToken: has no value"},
		{"internalToken: null\n", "FILE:1: internalToken: has no value"},
		// Values that are read but make no sense have a place too.
		{"ttl: 5s\nmaxFunctions: -1\n", "FILE:2: maxFunctions: must be"},
		{"\nttl: -5s\n", "FILE:2: ttl: must be"},
		{"ttl: 0s\n", "FILE:1: ttl: must be greater than 0"},
		{"maxExecutions: 0\n", "FILE:1: maxExecutions: must be greater than 0, not 0"},
		{"syncQueue:\n  retryAfter: 10ms\n", "FILE:2: syncQueueRetryAfter: must be at least 1s, not 10ms"},
		{"shards: 5000\n", "FILE:1: shards: must be"},
		{"rateMaxPerSecond: -1\n", "FILE:1: rateMaxPerSecond: must be"},
		{"logLevel: loud\n", "FILE:1: logLevel: must be debug, info, warn or error"},
		{"\nlogFormat: xml\n", "FILE:2: logFormat: must be text or json"},
		{"provider: cloud\n", "FILE:1: provider: must be"},
		{"readTimeout: 0s\n", "FILE:1: readTimeout: must be"},
		{"internalToken: sha256:12\n", "FILE:1: internalToken: "},
		{"internalToken: \",\"\n", "FILE:1: internalToken: "},
		{"endpointAllow: nowhere\n", "FILE:1: endpointAllow: "},
		{"accessLogSample: 2\n", "FILE:1: accessLogSample: must be between 0 and 1"},
	} {
		_, path, err := load(t, nil, nil, tc.yaml)
		if err == nil {
			t.Errorf("%q was taken", tc.yaml)
			continue
		}
		if want := strings.ReplaceAll(tc.want, "FILE", path); !strings.Contains(err.Error(), want) {
			t.Errorf("%q:\ngot  %v\nwant %s", tc.yaml, err, want)
		}
	}
}

func TestSettingsErrorsOfFlagsAndEnvironment(t *testing.T) {
	for _, tc := range []struct {
		args []string
		env  map[string]string
		want string
	}{
		{nil, map[string]string{"SIMPLANE_TTL": "soon"}, `environment variable SIMPLANE_TTL: "soon" is not valid (how long`},
		{nil, map[string]string{"SIMPLANE_TTL": "-5s"}, "environment variable SIMPLANE_TTL: ttl: must be greater than 0"},
		{[]string{"--ttl=-5s"}, map[string]string{"SIMPLANE_TTL": "soon"}, "--ttl: ttl: must be greater than 0"},
		{[]string{"--max-body-bytes=0"}, nil, "--max-body-bytes: maxBodyBytes: must be greater than 0, not 0"},
		{[]string{"--config=/does/not/exist.yaml"}, nil, "/does/not/exist.yaml: no such file"},
		{nil, map[string]string{"SIMPLANE_CONFIG": "/does/not/exist.yaml"}, "/does/not/exist.yaml: no such file"},
		{[]string{"--config=/"}, nil, "is a directory"},
		{[]string{"--ttl=soon"}, nil, `invalid argument "soon" for "--ttl"`},
		{[]string{"--no-such-flag"}, nil, "unknown flag: --no-such-flag"},
	} {
		_, _, err := load(t, tc.args, tc.env, "")
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v %v:\ngot  %v\nwant %s", tc.args, tc.env, err, tc.want)
		}
	}
	// All errors at once.
	_, path, err := load(t, nil, map[string]string{"SIMPLANE_TTL": "soon"}, "nonsense: 1\nshards: x\n")
	for _, want := range []string{"SIMPLANE_TTL", path + ":1: ", path + ":2: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	// What a wrong line of the file would set is overruled: no matter.
	if _, _, err := load(t, []string{"--ttl=5s"}, nil, "ttl: soon"); err != nil {
		t.Errorf("an overruled value: %v", err)
	}
}

func TestSettingsReread(t *testing.T) {
	s, path, err := load(t, []string{"--max-functions=3"}, nil, "rateMaxPerSecond: 5\nmaxFunctions: 9\n")
	if err != nil {
		t.Fatal(err)
	}
	none := func(string) (string, bool) { return "", false }
	if err := os.WriteFile(path, []byte("rateMaxPerSecond: 6\nmaxFunctions: 10\nsyncQueueMaxDepth: 4\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	reread, err := s.Reread(none)
	again := reread.Config
	if err != nil || again.Core.RateMaxPerSecond != 6 || again.Core.MaxFunctions != 3 || again.Core.SyncQueue.MaxDepth != 4 {
		t.Errorf("%+v %v", again.Core, err)
	}
	if s.Config.Core.RateMaxPerSecond != 5 {
		t.Error("the settings in force were changed")
	}
	if err := os.WriteFile(path, []byte("rateMaxPerSecond: 6\nsyncQueueMaxDepth: 0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reread(none); err == nil || !strings.Contains(err.Error(), path+":2: syncQueueMaxDepth") {
		t.Errorf("a senseless value: %v", err)
	}
}

func TestPortTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, mgmt := range []bool{false, true} {
		cfg := DefaultConfig()
		cfg.Provider = ProviderNone
		cfg.Addr, cfg.MgmtAddr = "127.0.0.1:0", "127.0.0.1:0"
		key := "addr"
		if mgmt {
			cfg.MgmtAddr, key = taken.Addr().String(), "mgmt-addr"
		} else {
			cfg.Addr = taken.Addr().String()
		}
		s, err := New(cfg, discardLog())
		if err == nil {
			t.Fatalf("two servers listen at %s", s.Addr())
		}
		if want := fmt.Sprintf("%s %s: the port is taken", key, taken.Addr()); !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	cfg := DefaultConfig()
	cfg.Provider, cfg.Addr = ProviderNone, "nowhere:port"
	if _, err := New(cfg, discardLog()); err == nil || !strings.Contains(err.Error(), "addr nowhere:port: cannot listen") {
		t.Errorf("got %v", err)
	}
}

// A file of tokens is what the flag takes, one a line.
func TestSettingsTokenFiles(t *testing.T) {
	hash := "sha256:" + strings.Repeat("a1", 32)
	write := func(text string, mode os.FileMode) string {
		file := filepath.Join(t.TempDir(), "tokens")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for text, want := range map[string]string{
		"secret": "secret", "secret\n": "secret", "secret\r\n": "secret", "\n  one\t\n\n\ntwo\n": "one,two", "ci=" + hash + "\n": "ci=" + hash,
	} {
		s, _, err := load(t, []string{"--manage-token-file", write(text, 0o600)}, nil, "")
		if err != nil || s.Config.ManageToken != want {
			t.Errorf("%q: %q, %v", text, s.Config.ManageToken, err)
		}
	}
	for what, tc := range map[string]struct {
		args []string
		want string
	}{
		"not there":        {[]string{"--manage-token-file", "/no/such/file"}, "--manage-token-file: manageTokenFile: open /no/such/file"},
		"a directory":      {[]string{"--manage-token-file", t.TempDir()}, "is a directory"},
		"empty":            {[]string{"--invoke-token-file", write("", 0o600)}, "holds no token"},
		"blank":            {[]string{"--internal-token-file", write(" \n\n", 0o600)}, "holds no token"},
		"a comma":          {[]string{"--manage-token-file", write("a\nb,c\n", 0o600)}, ":2: a token must not contain a comma"},
		"a broken hash":    {[]string{"--manage-token-file", write("sha256:12\n", 0o600)}, "manageToken: after sha256:"},
		"too large":        {[]string{"--manage-token-file", write(strings.Repeat("x", maxTokenFile+1), 0o600)}, "larger than 64 KiB"},
		"writable for all": {[]string{"--manage-token-file", write("m", 0o602)}, "chmod 600"},
		"both forms":       {[]string{"--manage-token-file", write("m", 0o600), "--manage-token", "topsecret"}, "manageToken (--manage-token) is given too"},
	} {
		_, _, err := load(t, tc.args, nil, "")
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%s: %v, want %q", what, err, tc.want)
		}
	}
}
