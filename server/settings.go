package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"gopkg.in/yaml.v3"

	"simplane/core"
	"simplane/server/internal/dispatch"
)

// Settings binds a Config to its three sources. Each key exists once, as a
// flag; its environment variable and its config file key follow from the
// flag's name: --rate-max-per-second, SIMPLANE_RATE_MAX_PER_SECOND,
// rateMaxPerSecond. A flag wins over the environment, that over the file.
type Settings struct {
	Config Config
	flags  *pflag.FlagSet
	file   string
	given  [][2]string       // flags of the command line: name, value
	origin map[string]string // by flag: where its value came from, for errors
}

// NewSettings adds serve's flags to flags.
func NewSettings(flags *pflag.FlagSet) *Settings {
	s := &Settings{Config: DefaultConfig(), flags: flags, origin: map[string]string{}}
	c := &s.Config
	flags.StringVar(&s.file, "config", "", "config `file` (YAML); its keys are the flag names in camelCase")
	flags.StringVar(&c.Addr, "addr", c.Addr, "`address` of the API (port 0 picks a free one)")
	flags.StringVar(&c.MgmtAddr, "mgmt-addr", c.MgmtAddr, "`address` of health, metrics and administration")
	flags.StringVar(&c.Provider, "provider", c.Provider, "what runs DEPLOYMENT functions: process, kubernetes or none")
	flags.StringVar(&c.Kubeconfig, "kubeconfig", c.Kubeconfig, "client configuration `file` of the Kubernetes provider; empty = KUBECONFIG or the pod's service account")
	flags.StringVar(&c.KubeNamespace, "kube-namespace", c.KubeNamespace, "namespace the Kubernetes provider runs functions in")
	flags.DurationVar(&c.FunctionStartTimeout, "function-start-timeout", c.FunctionStartTimeout, "time an instance has to be ready")
	flags.StringVar(&c.CgroupRoot, "cgroup-root", c.CgroupRoot, "delegated cgroup v2 `directory` for the instances' limits")
	flags.StringVar(&c.LogLevel, "log-level", c.LogLevel, "debug, info, warn or error")
	flags.StringVar(&c.LogFormat, "log-format", c.LogFormat, "text or json")

	flags.Float64Var(&c.AccessLogSample, "access-log-sample", c.AccessLogSample, "share of requests with an access log line, 0 to 1; failures always, when above 0")
	flags.StringVar(&c.OTLPEndpoint, otlpEndpointFlag, c.OTLPEndpoint, "base `URL` of an OpenTelemetry collector (OTLP over HTTP) that traces go to; empty = OTEL_EXPORTER_OTLP_ENDPOINT, else none")
	flags.Float64Var(&c.TraceSampleRatio, "trace-sample-ratio", c.TraceSampleRatio, "share of invocations traced when the caller's traceparent does not decide, 0 to 1")

	k := &c.Core
	flags.Int64Var(&k.RateMaxPerSecond, "rate-max-per-second", k.RateMaxPerSecond, "submissions accepted in each whole second, all functions together; 0 = no limit")
	flags.DurationVar(&k.TTL, "ttl", k.TTL, "how long an ended execution is kept")
	flags.DurationVar(&k.CleanupTTL, "cleanup-ttl", k.CleanupTTL, "how long its payload and output are kept")
	flags.DurationVar(&k.StaleTTL, "stale-ttl", k.StaleTTL, "age at which an execution that has not ended is force-ended")
	flags.DurationVar(&k.IdempotencyTTL, "idempotency-ttl", k.IdempotencyTTL, "how long an idempotency key is remembered")
	flags.DurationVar(&k.SweepInterval, "sweep-interval", k.SweepInterval, "time between expiry sweeps; 0 = 1/100 of the shortest TTL, 10ms to 1s")
	flags.IntVar(&k.MaxFunctions, "max-functions", k.MaxFunctions, "functions that can be registered")
	flags.IntVar(&k.MaxExecutions, "max-executions", k.MaxExecutions, "executions kept at once; beyond it 503 STORE_FULL")
	flags.Int64Var(&k.MaxPayloadBytes, "max-payload-bytes", k.MaxPayloadBytes, "input and output bytes kept at once; beyond it 503 STORE_FULL")
	flags.IntVar(&k.MaxIdempotencyKeys, "max-idempotency-keys", k.MaxIdempotencyKeys, "idempotency keys kept at once")
	flags.DurationVar(&k.AutoscaleInterval, "autoscale-interval", k.AutoscaleInterval, "time between looks at a function with scaling strategy INTERNAL")
	flags.DurationVar(&k.ScaleUpCooldown, "scale-up-cooldown", k.ScaleUpCooldown, "pause between steps up that do not double the replicas")
	flags.DurationVar(&k.ScaleDownCooldown, "scale-down-cooldown", k.ScaleDownCooldown, "pause between a step and the next one down")
	flags.DurationVar(&k.ScaleDownWindow, "scale-down-window", k.ScaleDownWindow, "replicas fall to the most that was wanted this long")
	flags.DurationVar(&k.ScaleToZeroGrace, "scale-to-zero-grace", k.ScaleToZeroGrace, "time without work after which replicas fall to their minimum")
	flags.IntVar(&k.Shards, "shards", k.Shards, "shards of each store (a power of two)")
	flags.Var((*offSwitch)(&k.SchedulerOff), "scheduler", "on or off; off leaves enqueued work to drain-once")
	flags.BoolVar(&k.PassOverLate, "pass-over-late", k.PassOverLate, "let queued sync invocations that will hardly meet their deadline wait behind those that can")
	flags.BoolVar(&c.AsyncEnabled, "async-enabled", c.AsyncEnabled, "take :enqueue; otherwise it is answered with 501")

	q := &k.SyncQueue
	flags.BoolVar(&q.Enabled, "sync-queue-enabled", q.Enabled, "judge sync invocations by their expected wait")
	flags.Var((*negated)(&q.EstimateDisabled), "sync-queue-admission-enabled", "with the sync queue on, refuse on estimated wait too")
	flags.Lookup("sync-queue-admission-enabled").NoOptDefVal = "true" // as for every other boolean flag
	flags.IntVar(&q.MaxConcurrency, "sync-queue-max-concurrency", q.MaxConcurrency, "sync invocations in flight that are admitted without a look")
	flags.IntVar(&q.MaxDepth, "sync-queue-max-depth", q.MaxDepth, "sync invocations queued at which newcomers are refused")
	flags.DurationVar(&q.MaxEstimatedWait, "sync-queue-max-estimated-wait", q.MaxEstimatedWait, "longest estimated wait that is admitted")
	flags.DurationVar(&q.MaxQueueWait, "sync-queue-max-queue-wait", q.MaxQueueWait, "longest real wait for the first attempt; past it the caller is rejected")
	flags.DurationVar(&q.RetryAfter, "sync-queue-retry-after", q.RetryAfter, "Retry-After of a sync-queue rejection")

	flags.BoolVar(&c.InternalOnMgmtOnly, "internal-on-mgmt-only", c.InternalOnMgmtOnly, "serve /v1/internal and /v1/admin on the management address only")
	flags.BoolVar(&c.ManageOnMgmtOnly, "manage-on-mgmt-only", c.ManageOnMgmtOnly, "register, delete and scale functions on the management address only")
	flags.StringVar(&c.InvokeToken, "invoke-token", c.InvokeToken, "bearer `token` (or sha256:HEX or NAME=sha256:HEX of it, comma-separated) to invoke functions")
	flags.StringVar(&c.ManageToken, "manage-token", c.ManageToken, "bearer `token` to manage functions; invokes too")
	flags.StringVar(&c.InternalToken, "internal-token", c.InternalToken, "bearer `token` that /v1/internal and /v1/admin require; opens the rest too")
	flags.StringVar(&c.TLSCert, "tls-cert", c.TLSCert, "PEM `file` of the certificate; with --tls-key switches TLS on")
	flags.StringVar(&c.TLSKey, "tls-key", c.TLSKey, "PEM `file` of its key")
	flags.StringVar(&c.TLSClientCA, "tls-client-ca", c.TLSClientCA, "PEM `file` of the CA whose client certificates are required")
	flags.StringVar(&c.EndpointAllow, "endpoint-allow", c.EndpointAllow, "addresses and CIDR `ranges` POOL functions may be at; empty = all but link-local and metadata")
	flags.IntVar(&c.MaxBodyBytes, "max-body-bytes", c.MaxBodyBytes, "request body bound; beyond it 413")
	flags.IntVar(&c.MaxHeaderBytes, "max-header-bytes", c.MaxHeaderBytes, "request header bound; beyond it 431")
	flags.IntVar(&c.MaxResponseBytes, "max-response-bytes", c.MaxResponseBytes, "bound of what a function may answer")
	flags.IntVar(&c.MaxConnections, "max-connections", c.MaxConnections, "open connections on the API address")
	flags.IntVar(&c.MaxConnectionsPerIP, "max-connections-per-ip", c.MaxConnectionsPerIP, "open connections of one source (IPv4 address or IPv6 /64, not loopback) on each address; beyond it 429; 0 = no limit")
	flags.IntVar(&c.PoolMaxConnections, "pool-max-connections", c.PoolMaxConnections, "open connections to one POOL endpoint")
	flags.DurationVar(&c.ReadTimeout, "read-timeout", c.ReadTimeout, "time to read one request")
	flags.DurationVar(&c.WriteTimeout, "write-timeout", c.WriteTimeout, "time to write one answer")
	flags.DurationVar(&c.IdleTimeout, "idle-timeout", c.IdleTimeout, "silence after which a kept-alive connection is closed")
	flags.DurationVar(&c.ShutdownGrace, "shutdown-grace", c.ShutdownGrace, "time accepted work has to finish after SIGTERM")
	return s
}

// Load fills in what the flags did not set: from the environment, then from
// the config file. Errors say which source and, for the file, which line, of
// values that are out of range too.
func (s *Settings) Load(getenv func(string) (string, bool)) error {
	set := map[string]bool{}
	s.flags.Visit(func(f *pflag.Flag) {
		set[f.Name] = true
		s.origin[f.Name] = "--" + f.Name
		s.given = append(s.given, [2]string{f.Name, f.Value.String()})
	})
	if !set["config"] {
		if file, ok := getenv("SIMPLANE_CONFIG"); ok {
			s.file = file
		}
	}
	var errs []error
	s.flags.VisitAll(func(f *pflag.Flag) {
		if set[f.Name] || f.Name == "config" || f.Name == "help" {
			return
		}
		name := envName(f.Name)
		value, ok := getenv(name)
		if !ok {
			return
		}
		set[f.Name] = true
		s.origin[f.Name] = "environment variable " + name
		if err := f.Value.Set(value); err != nil {
			errs = append(errs, fmt.Errorf("environment variable %s: %q is not valid for --%s (%s): %w", name, value, f.Name, f.Usage, err))
		}
	})
	if s.file != "" {
		errs = append(errs, s.loadFile(s.file, set)...)
	}
	errs = append(errs, s.loadOTEL(getenv)...)
	if len(errs) == 0 {
		for _, problem := range s.Config.problems() {
			errs = append(errs, s.located(problem))
		}
	}
	return errors.Join(errs...)
}

// located puts where its value came from before a problem "key: what".
func (s *Settings) located(problem string) error {
	key, _, _ := strings.Cut(problem, ":")
	flag := strings.TrimSuffix(flagName(key), "-seconds") // core says syncQueueRetryAfterSeconds
	if from, known := s.origin[flag]; known {
		return fmt.Errorf("%s: %s", from, problem)
	}
	return errors.New(problem)
}

// Reread loads the configuration anew, with the flags of the command line as
// they were. The receiver is not changed.
func (s *Settings) Reread(getenv func(string) (string, bool)) (Config, error) {
	again := NewSettings(pflag.NewFlagSet("reload", pflag.ContinueOnError))
	var errs []error
	for _, f := range s.given {
		errs = append(errs, again.flags.Set(f[0], f[1]))
	}
	errs = append(errs, again.Load(getenv))
	return again.Config, errors.Join(errs...)
}

func (s *Settings) loadFile(path string, set map[string]bool) []error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return []error{fmt.Errorf("config file: %w", err)}
	}
	var doc, second yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	if err := decoder.Decode(&doc); err == io.EOF {
		return nil // an empty file sets nothing
	} else if err != nil {
		return []error{yamlError(path, err)}
	}
	if err := decoder.Decode(&second); err == nil {
		return []error{fmt.Errorf("%s:%d: only one YAML document is read; join them", path, second.Line)}
	} else if err != io.EOF {
		return []error{yamlError(path, err)}
	}
	var errs []error
	s.readMapping(path, "", doc.Content[0], set, map[string]bool{}, &errs)
	return errs
}

// readMapping sets the flag of every key; a nested mapping prefixes its keys,
// so that syncQueue: {maxDepth: 5} is syncQueueMaxDepth.
func (s *Settings) readMapping(path, prefix string, node *yaml.Node, set, seen map[string]bool, errs *[]error) {
	fail := func(n *yaml.Node, format string, args ...any) {
		*errs = append(*errs, fmt.Errorf("%s:%d: %s", path, n.Line, fmt.Sprintf(format, args...)))
	}
	if node.Kind != yaml.MappingNode {
		fail(node, "expected a mapping of keys to values")
		return
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		name := flagName(key.Value)
		if prefix != "" {
			name = prefix + "-" + name
		}
		if value.Kind == yaml.MappingNode && s.flags.Lookup(name) == nil {
			s.readMapping(path, name, value, set, seen, errs)
			continue
		}
		if value.Kind == yaml.SequenceNode && tokenFlags[name] {
			flat, where, wrong := tokenList(value)
			if wrong != "" {
				fail(where, "%s: %s", key.Value, wrong)
				continue
			}
			value = flat
		}
		flag := s.flags.Lookup(name)
		switch {
		case flag == nil || name == "config" || name == "help":
			fail(key, "unknown key %q; %s", key.Value, s.suggest(name))
		case seen[name]:
			fail(key, "key %q is given twice", key.Value)
		case value.Kind != yaml.ScalarNode:
			fail(value, "%s: expected a single value", key.Value)
		case value.Tag == "!!null":
			fail(key, "%s: has no value; leave the key out for the default", key.Value)
		default:
			seen[name] = true
			if set[name] {
				continue // flag or environment wins
			}
			s.origin[name] = fmt.Sprintf("%s:%d", path, value.Line)
			if err := flag.Value.Set(value.Value); err != nil {
				fail(value, "%s: %q is not valid (%s)", key.Value, value.Value, flag.Usage)
			}
		}
	}
}

// suggest names the known key that shares the longest prefix.
func (s *Settings) suggest(name string) string {
	best, length := "", 0
	s.flags.VisitAll(func(f *pflag.Flag) {
		n := 0
		for n < len(name) && n < len(f.Name) && name[n] == f.Name[n] {
			n++
		}
		if n > length && f.Name != "config" {
			best, length = f.Name, n
		}
	})
	if length < 3 {
		return "see 'simplane serve --help' for the keys"
	}
	return fmt.Sprintf("did you mean %q?", camelCase(best))
}

// problems are what is wrong with a configuration, each as "key: what".
func (c *Config) problems() []string {
	var found []string
	bad := func(key, format string, args ...any) { found = append(found, key+": "+fmt.Sprintf(format, args...)) }
	atLeast := func(key string, got, least int64) {
		if got < least {
			bad(key, "must be at least %d, not %d", least, got)
		}
	}
	atLeast("maxBodyBytes", int64(c.MaxBodyBytes), 1)
	atLeast("maxHeaderBytes", int64(c.MaxHeaderBytes), 1024)
	atLeast("maxResponseBytes", int64(c.MaxResponseBytes), 1)
	atLeast("maxConnections", int64(c.MaxConnections), 1)
	atLeast("maxConnectionsPerIp", int64(c.MaxConnectionsPerIP), 0)
	atLeast("poolMaxConnections", int64(c.PoolMaxConnections), 1)
	if !slices.Contains([]string{ProviderProcess, ProviderKubernetes, ProviderNone}, c.Provider) {
		bad("provider", "must be process, kubernetes or none, not %q", c.Provider)
	}
	atLeast("shutdownGrace", int64(c.ShutdownGrace), 0)
	// Zero would mean the default to core, and no limit to fasthttp: whoever
	// writes it means neither.
	k, q := &c.Core, &c.Core.SyncQueue
	for _, span := range []struct {
		key   string
		value time.Duration
	}{
		{"readTimeout", c.ReadTimeout}, {"writeTimeout", c.WriteTimeout}, {"idleTimeout", c.IdleTimeout},
		{"functionStartTimeout", c.FunctionStartTimeout},
		{"ttl", k.TTL}, {"cleanupTtl", k.CleanupTTL}, {"staleTtl", k.StaleTTL}, {"idempotencyTtl", k.IdempotencyTTL},
		{"autoscaleInterval", k.AutoscaleInterval}, {"scaleUpCooldown", k.ScaleUpCooldown}, {"scaleDownCooldown", k.ScaleDownCooldown},
		{"scaleDownWindow", k.ScaleDownWindow}, {"scaleToZeroGrace", k.ScaleToZeroGrace},
		{"syncQueueMaxEstimatedWait", q.MaxEstimatedWait}, {"syncQueueMaxQueueWait", q.MaxQueueWait}, {"syncQueueRetryAfter", q.RetryAfter},
	} {
		if span.value <= 0 {
			bad(span.key, "must be greater than 0, not %v", span.value)
		}
	}
	atLeast("maxFunctions", int64(k.MaxFunctions), 1)
	atLeast("maxExecutions", int64(k.MaxExecutions), 1)
	atLeast("maxPayloadBytes", k.MaxPayloadBytes, 1)
	atLeast("maxIdempotencyKeys", int64(k.MaxIdempotencyKeys), 1)
	atLeast("shards", int64(k.Shards), 1)
	atLeast("syncQueueMaxConcurrency", int64(q.MaxConcurrency), 1)
	atLeast("syncQueueMaxDepth", int64(q.MaxDepth), 1)
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel) {
		bad("logLevel", "must be debug, info, warn or error, not %q", c.LogLevel)
	}
	if _, err := newTokens(*c); err != nil {
		found = append(found, err.Error())
	}
	if _, err := dispatch.NewEgress(c.EndpointAllow); err != nil {
		found = append(found, err.Error())
	}
	if !(c.AccessLogSample >= 0 && c.AccessLogSample <= 1) {
		bad("accessLogSample", "must be between 0 and 1, not %v", c.AccessLogSample)
	}
	found = append(found, c.tracingProblems()...)
	if c.LogFormat != "text" && c.LogFormat != "json" {
		bad("logFormat", "must be text or json, not %q", c.LogFormat)
	}
	if len(found) > 0 {
		return found
	}
	var invalid *core.ValidationError
	if err := k.Validate(); errors.As(err, &invalid) {
		found = invalid.Details
	}
	return found
}

// yamlError makes "yaml: line 3: x" read "path:3: x".
func yamlError(path string, err error) error {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(message, "line "); ok {
		return fmt.Errorf("%s:%s", path, rest)
	}
	return fmt.Errorf("%s: %s", path, message)
}

func envName(flag string) string {
	return "SIMPLANE_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// flagName turns camelCase into kebab-case; kebab-case stays as it is.
func flagName(key string) string {
	var b strings.Builder
	for i, r := range key {
		if r >= 'A' && r <= 'Z' {
			if i > 0 {
				b.WriteByte('-')
			}
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

func camelCase(flag string) string {
	parts := strings.Split(flag, "-")
	for i, p := range parts[1:] {
		parts[i+1] = strings.ToUpper(p[:1]) + p[1:]
	}
	return strings.Join(parts, "")
}

// offSwitch is a flag of the values on and off; it holds "is off".
type offSwitch bool

func (o *offSwitch) String() string {
	if o != nil && bool(*o) {
		return "off"
	}
	return "on"
}
func (o *offSwitch) Type() string { return "on|off" }
func (o *offSwitch) Set(s string) error {
	switch strings.ToLower(s) {
	case "on", "true":
		*o = false
	case "off", "false":
		*o = true
	default:
		return errors.New("must be on or off")
	}
	return nil
}

// negated is a boolean flag whose variable holds the opposite.
type negated bool

func (n *negated) String() string {
	if n != nil && bool(*n) {
		return "false"
	}
	return "true"
}
func (n *negated) Type() string { return "bool" }
func (n *negated) Set(s string) error {
	switch strings.ToLower(s) {
	case "true", "on":
		*n = false
	case "false", "off":
		*n = true
	default:
		return errors.New("must be true or false")
	}
	return nil
}
