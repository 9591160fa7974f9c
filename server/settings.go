package server

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"simplane/core/strictyaml"
	"simplane/server/internal/auth"
	"simplane/server/internal/dispatch"
	"simplane/server/internal/flight"
)

// Settings binds a Config to its three sources. Each key exists once, as a
// flag; its environment variable and its config file key follow from the
// flag's name: --rate-max-per-second, SIMPLANE_RATE_MAX_PER_SECOND,
// rateMaxPerSecond. A flag takes precedence over the environment, the
// environment over the file.
type Settings struct {
	Config Config
	flags  *pflag.FlagSet
	file   string
	given  [][2]string       // flags of the command line: name, value
	origin map[string]string // by flag: where its value came from, for errors
	own    map[string]bool   // the flags that NewSettings has added: others are the command's
}

// NewSettings adds serve's flags to flags.
func NewSettings(flags *pflag.FlagSet) *Settings {
	s := &Settings{Config: DefaultConfig(), flags: flags, origin: map[string]string{}, own: map[string]bool{}}
	c := &s.Config
	for _, b := range c.bounded() {
		name := flagName(b.key)
		switch field := b.field.(type) {
		case *int:
			flags.IntVar(field, name, *field, b.usage)
		case *int64:
			flags.Int64Var(field, name, *field, b.usage)
		case *float64:
			flags.Float64Var(field, name, *field, b.usage)
		case *time.Duration:
			flags.DurationVar(field, name, *field, b.usage)
		}
	}
	flags.StringVar(&s.file, "config", "", "config `file` (YAML); its keys are the flag names in camelCase")
	flags.StringVar(&c.Addr, "addr", c.Addr, "`address` of the API (port 0 picks a free one)")
	flags.StringVar(&c.MgmtAddr, "mgmt-addr", c.MgmtAddr, "`address` of health, metrics and administration")
	flags.StringVar(&c.DataDir, "data-dir", c.DataDir, "`directory` in which functions, configuration and enqueued work outlive this process; empty = they do not")
	flags.StringVar(&c.Fsync, "fsync", c.Fsync, "always, or every=`DURATION`: what a loss of power may cost of what was acknowledged")
	flags.StringVar(&c.Record, "record", c.Record, "`directory` for files with every decision, lengths and times without content; empty = none")
	flags.BoolVar(&c.RecordNames, "record-names", c.RecordNames, "have the names of functions in recordings and dumps; otherwise numbers")
	flags.StringVar(&c.Provider, "provider", c.Provider, "what runs DEPLOYMENT functions: process, container, kubernetes, several of them with commas and the default first, or none")
	flags.StringVar(&c.ContainerHost, "container-host", c.ContainerHost, "`address` of the container engine, unix:///PATH or tcp://HOST:PORT; empty = DOCKER_HOST, else /var/run/docker.sock")
	flags.StringVar(&c.ContainerName, "container-name", c.ContainerName, "`name` that tells this server's containers from those of another at the same engine")
	flags.StringVar(&c.ContainerNetwork, "container-network", c.ContainerNetwork, "existing `network` that functions' containers are in; empty = one is made for them")
	flags.StringVar(&c.ContainerReach, "container-reach", c.ContainerReach, "how functions' containers are reached: network, port (forwarded to 127.0.0.1), or auto")
	flags.StringVar(&c.ContainerPull, "container-pull", c.ContainerPull, "when images are fetched from their registry: missing, always or never")
	flags.StringVar(&c.ContainerUser, "container-user", c.ContainerUser, "`user` (or user:group) in functions' containers; empty = the image's")
	flags.StringVar(&c.ImageCredentials, "image-credentials", c.ImageCredentials, "`directory` of files NAME.json (as Docker's config.json) for registries; imagePullSecrets are such names, default.json is for functions without")
	flags.StringVar(&c.Kubeconfig, "kubeconfig", c.Kubeconfig, "client configuration `file` of the Kubernetes provider; empty = KUBECONFIG or the pod's service account")
	flags.StringVar(&c.KubeNamespace, "kube-namespace", c.KubeNamespace, "namespace the Kubernetes provider runs functions in")
	flags.StringVar(&c.CgroupRoot, "cgroup-root", c.CgroupRoot, "control group (`directory`) in which those of the instances are made; auto = the one simplane is in, none")
	flags.StringVar(&c.FunctionUser, "function-user", c.FunctionUser, "`user` (or user:group, by name or number) that functions' processes run as; needs root")
	flags.StringVar(&c.LogLevel, "log-level", c.LogLevel, "debug, info, warn or error")
	flags.StringVar(&c.LogFormat, "log-format", c.LogFormat, "text or json")

	flags.StringVar(&c.OTLPEndpoint, otlpEndpointFlag, c.OTLPEndpoint, "base `URL` of an OpenTelemetry collector (OTLP over HTTP) that traces go to; empty = OTEL_EXPORTER_OTLP_ENDPOINT, else none")

	k := &c.Core
	flags.Var((*offSwitch)(&k.SchedulerOff), "scheduler", "on or off; off leaves enqueued work to drain-once")
	flags.BoolVar(&k.PassOverLate, "pass-over-late", k.PassOverLate, "let queued sync invocations that will hardly meet their deadline wait behind those that can")
	flags.BoolVar(&c.AsyncEnabled, "async-enabled", c.AsyncEnabled, "take :enqueue; otherwise it is answered with 501")
	flags.BoolVar(&c.CancelOnDisconnect, "cancel-on-disconnect", c.CancelOnDisconnect, "do not run a queued call whose caller has closed the connection")

	q := &k.SyncQueue
	flags.BoolVar(&q.Enabled, "sync-queue-enabled", q.Enabled, "judge sync invocations by their expected wait")
	flags.Var((*negated)(&q.EstimateDisabled), "sync-queue-admission-enabled", "with the sync queue on, refuse on estimated wait too")
	flags.Lookup("sync-queue-admission-enabled").NoOptDefVal = "true" // as for every other boolean flag

	flags.BoolVar(&c.InternalOnMgmtOnly, "internal-on-mgmt-only", c.InternalOnMgmtOnly, "serve /v1/internal and /v1/admin on the management address only")
	flags.BoolVar(&c.ManageOnMgmtOnly, "manage-on-mgmt-only", c.ManageOnMgmtOnly, "register, delete and scale functions on the management address only")
	flags.BoolVar(&c.MetricsOnMgmtOnly, "metrics-on-mgmt-only", c.MetricsOnMgmtOnly, "serve /actuator/prometheus on the management address only")
	flags.StringVar(&c.InvokeToken, "invoke-token", c.InvokeToken, "bearer `token` (or sha256:HEX or NAME=sha256:HEX of it, comma-separated) to invoke functions")
	flags.StringVar(&c.ManageToken, "manage-token", c.ManageToken, "bearer `token` (or hashes of it, as in --invoke-token) to register, change and delete functions; invokes too")
	flags.StringVar(&c.InternalToken, "internal-token", c.InternalToken, "bearer `token` that /v1/internal and /v1/admin require; opens the rest too")
	flags.StringVar(&c.InvokeTokenFile, "invoke-token-file", c.InvokeTokenFile, "`file` with the tokens or hashes, one a line, in place of --invoke-token")
	flags.StringVar(&c.ManageTokenFile, "manage-token-file", c.ManageTokenFile, "`file` with the tokens or hashes, one a line, in place of --manage-token")
	flags.StringVar(&c.InternalTokenFile, "internal-token-file", c.InternalTokenFile, "`file` with the tokens or hashes, one a line, in place of --internal-token")
	flags.BoolVar(&c.Insecure, "insecure", c.Insecure, "start although a scope needs no token on an address that other machines reach")
	flags.StringVar(&c.AllowedHosts, "allowed-hosts", c.AllowedHosts, "host `names` this server is reached by, comma-separated, beside IP addresses, localhost and its certificate's; *.NAME for all below NAME, * for any")
	flags.StringVar(&c.TLSCert, "tls-cert", c.TLSCert, "PEM `file` of the server's certificate; with --tls-key switches TLS on")
	flags.StringVar(&c.TLSKey, "tls-key", c.TLSKey, "PEM `file` of the private key of --tls-cert")
	flags.StringVar(&c.TLSClientCA, "tls-client-ca", c.TLSClientCA, "PEM `file` of the CA whose client certificates are required")
	flags.StringVar(&c.EndpointAllow, "endpoint-allow", c.EndpointAllow, "addresses and CIDR `ranges` POOL functions may be at; empty = all but link-local and metadata")
	c.addClusterFlags(flags)
	annotate(flags)
	flags.VisitAll(func(f *pflag.Flag) { s.own[f.Name] = true })
	return s
}

// Load fills in what the flags did not set: from the environment, then from
// the config file. Errors name the source and, for the file, the line; those
// about values out of range too.
func (s *Settings) Load(getenv func(string) (string, bool)) error {
	set := map[string]bool{}
	s.flags.Visit(func(f *pflag.Flag) {
		if !s.own[f.Name] {
			return
		}
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
		if set[f.Name] || !s.isSetting(f.Name) {
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
			errs = append(errs, fmt.Errorf("environment variable %s: %s", name, invalidValue(f, value, err)))
		}
	})
	if s.file != "" {
		errs = append(errs, s.loadFile(s.file, set)...)
	}
	errs = append(errs, s.loadOTEL(getenv)...)
	errs = append(errs, s.loadTokenFiles()...)
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
	if from, known := s.origin[flagName(key)]; known {
		return fmt.Errorf("%s: %s", from, problem)
	}
	return errors.New(problem)
}

// Reread loads the settings anew, with the flags of the command line as they
// were. The receiver is not changed.
func (s *Settings) Reread(getenv func(string) (string, bool)) (*Settings, error) {
	again := NewSettings(pflag.NewFlagSet("reload", pflag.ContinueOnError))
	var errs []error
	for _, f := range s.given {
		errs = append(errs, again.flags.Set(f[0], f[1]))
	}
	errs = append(errs, again.Load(getenv))
	return again, errors.Join(errs...)
}

func (s *Settings) loadFile(path string, set map[string]bool) []error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return []error{fmt.Errorf("config file: %w", err)}
	}
	docs, err := strictyaml.Parse(path, raw)
	if err != nil {
		return []error{err}
	}
	problems := strictyaml.Problems{File: path}
	switch len(docs) {
	case 0: // an empty file sets nothing
	case 1:
		s.readMapping(&problems, "", docs[0], set, map[string]bool{})
	default:
		problems.Add(docs[1].Line, "only one YAML document is read; join them")
	}
	if err := problems.Err(); err != nil {
		return []error{err}
	}
	return nil
}

// readMapping sets the flag of every key; a nested mapping prefixes its keys,
// so that syncQueue: {maxDepth: 5} is syncQueueMaxDepth.
func (s *Settings) readMapping(p *strictyaml.Problems, prefix string, node *strictyaml.Node, set, seen map[string]bool) {
	if node.Kind != strictyaml.Mapping {
		p.Add(node.Line, "expected a mapping of keys to values")
		return
	}
	for key, value := range p.Pairs("", node) {
		name := flagName(key.Text)
		if prefix != "" {
			name = prefix + "-" + name
		}
		flag := s.flags.Lookup(name)
		if value.Kind == strictyaml.Mapping && flag == nil {
			s.readMapping(p, name, value, set, seen)
			continue
		}
		text := value.Text
		if value.Kind == strictyaml.List && tokenFlags[name] {
			var where *strictyaml.Node
			var wrong string
			if text, where, wrong = tokenList(p, value); wrong != "" {
				p.Add(where.Line, "%s: %s", key.Text, wrong)
				continue
			}
		} else if value.Kind != strictyaml.Scalar && flag != nil {
			p.Add(value.Line, "%s: expected a single value", key.Text)
			continue
		}
		switch {
		case flag == nil || !s.isSetting(name):
			p.Add(key.Line, "unknown key %q%s", key.Text, s.suggest(name))
		case seen[name]:
			p.Add(key.Line, "key %q is given twice; leave one", key.Text)
		case value.Null():
			p.Add(key.Line, "%s: has no value; leave the key out for the default", key.Text)
		default:
			seen[name] = true
			if set[name] {
				continue // flag or environment takes precedence
			}
			s.origin[name] = fmt.Sprintf("%s:%d", p.File, value.Line)
			if err := flag.Value.Set(text); err != nil {
				p.Add(value.Line, "%s: %s", key.Text, invalidValue(flag, text, nil))
			}
		}
	}
}

// suggest names the known key nearest to a flag's name.
func (s *Settings) suggest(name string) string {
	var known []string
	s.flags.VisitAll(func(f *pflag.Flag) {
		if s.isSetting(f.Name) {
			known = append(known, camelCase(f.Name))
		}
	})
	near := strictyaml.Nearest(camelCase(name), known)
	if !strings.Contains(near, "did you mean") {
		return "; see 'simplane serve --help' for the keys"
	}
	return near
}

// problems are what is wrong with a configuration, each as "key: what".
func (c *Config) problems() []string {
	var found []string
	bad := func(key, format string, args ...any) { found = append(found, key+": "+fmt.Sprintf(format, args...)) }
	// For a zero core would take its default, and fasthttp no limit: a zero
	// without a meaning of its own is refused.
	for _, b := range c.bounded() {
		if problem := b.problem(); problem != "" {
			found = append(found, problem)
		}
	}
	if c.MaxReadingBytes < int64(c.MaxBodyBytes) {
		bad("maxReadingBytes", "must be at least maxBodyBytes, %d, not %d", c.MaxBodyBytes, c.MaxReadingBytes)
	}
	if n := c.FlightRecorderBytes; n > 0 && n < flight.MinBytes {
		bad("flightRecorderBytes", "must be 0 (off), or at least %d, not %d", flight.MinBytes, n)
	}
	if problem := c.providerProblem(); problem != "" {
		bad("provider", "%s", problem)
	}
	if !slices.Contains([]string{"auto", "network", "port"}, c.ContainerReach) {
		bad("containerReach", "must be auto, network or port, not %q", c.ContainerReach)
	}
	if !slices.Contains([]string{"missing", "always", "never"}, c.ContainerPull) {
		bad("containerPull", "must be missing, always or never, not %q", c.ContainerPull)
	}
	if _, err := c.syncEvery(); err != nil {
		bad("fsync", "%v", err)
	}
	if _, err := c.functionUser(); err != nil {
		bad("functionUser", "%v", err)
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel) {
		bad("logLevel", "must be debug, info, warn or error, not %q", c.LogLevel)
	}
	if err := c.tokens().Check(); err != nil {
		found = append(found, err.Error())
	}
	if err := auth.CheckAllowedHosts(c.AllowedHosts); err != nil {
		found = append(found, err.Error())
	}
	if _, err := dispatch.NewEgress(c.EndpointAllow); err != nil {
		found = append(found, err.Error())
	}
	found = append(found, c.tracingProblems()...)
	if c.LogFormat != "text" && c.LogFormat != "json" {
		bad("logFormat", "must be text or json, not %q", c.LogFormat)
	}
	return found
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
