package provider

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// RuntimeMode is how an instance takes its invocations.
type RuntimeMode string

const (
	HTTP  RuntimeMode = "HTTP"  // a server on PORT
	STDIO RuntimeMode = "STDIO" // a line in, a line out
	FILE  RuntimeMode = "FILE"  // a process for each invocation, files in and out
	EXEC  RuntimeMode = "EXEC"  // a process for each invocation, stdin and stdout
)

// PerCall says that each invocation has a process of its own.
func (m RuntimeMode) PerCall() bool { return m == FILE || m == EXEC }

// MaxEndpointConcurrency is the most invocations an instance runs at a time.
const MaxEndpointConcurrency = 1024

// MaxProcesses is the most processes of one instance: those of a STDIO one, and
// the invocations of a FILE or EXEC one unless EndpointConcurrency says otherwise.
const MaxProcesses = 64

// Concurrency is how many invocations one instance, of a STDIO function one
// process, runs at a time.
func (d Deployment) Concurrency() int {
	switch {
	case d.RuntimeMode == STDIO:
		return 1
	case d.EndpointConcurrency > 0:
		return d.EndpointConcurrency
	case d.RuntimeMode.PerCall():
		return MaxProcesses
	}
	return MaxEndpointConcurrency
}

// Workers is how many processes one instance of a STDIO function may consist
// of: as many as it is to run invocations at a time, at most MaxProcesses.
// Other instances have no workers: it is 1.
func (d Deployment) Workers() int {
	if d.RuntimeMode != STDIO {
		return 1
	}
	return min(max(d.EndpointConcurrency, 1), MaxProcesses)
}

// ScalingStrategy says who changes the number of replicas.
type ScalingStrategy string

const (
	ScaleHPA      ScalingStrategy = "HPA"      // the platform (Kubernetes)
	ScaleInternal ScalingStrategy = "INTERNAL" // simplane, through SetReplicas
	ScaleNone     ScalingStrategy = "NONE"     // nobody
)

// Metric is one scaling target.
type Metric struct {
	Type   string // queue_depth, in_flight, rps, cpu, memory or prometheus
	Target string // value to hold per replica; percent for cpu and memory
	Name   string // metric name; required for prometheus
}

// HealthCheck says when an instance that serves HTTP is ready: once GET on Path
// answers 2xx, or 404 where the provider itself asks, or with TCP once its port is
// open.
type HealthCheck struct {
	TCP  bool
	Path string // with a query, perhaps; empty means /health
}

// PathOrDefault is the path that is asked.
func (h HealthCheck) PathOrDefault() string {
	if h.Path == "" {
		return "/health"
	}
	return h.Path
}

// String says in words what has to happen.
func (h HealthCheck) String() string {
	if h.TCP {
		return "open its port"
	}
	return "answer GET " + h.PathOrDefault()
}

// Deployment describes a function to run. The zero values are usable unless a
// field says otherwise.
type Deployment struct {
	Name             string // required, unique
	Provider         string // which of several runs it; empty for the default
	Image            string // container image; ignored by the process provider
	RuntimeMode      RuntimeMode
	Commands         []string // argv; preferred over RuntimeCommand
	RuntimeCommand   string   // run through sh -c when Commands is empty
	Env              map[string]string
	WorkDir          string // process provider only; empty means the provider's
	CPU              string // cores, "500m" or "1.5"; empty means no limit
	Memory           string // bytes, "128Mi"; empty means no limit
	Replicas         int    // instances to start with; 0 starts on demand
	MinReplicas      int
	MaxReplicas      int // 0 means the provider's maximum
	TimeoutMillis    int64
	ImagePullSecrets []string
	HealthCheck      HealthCheck
	ScalingStrategy  ScalingStrategy
	Metrics          []Metric

	// EndpointConcurrency is how many invocations one instance runs at a time;
	// more wait. 0 means MaxEndpointConcurrency for HTTP, MaxProcesses for FILE and EXEC,
	// and one for STDIO. A STDIO instance runs each in a process of its own, so
	// it never runs more than MaxProcesses.
	EndpointConcurrency int
}

// Rescaled is how many of n instances there are to be when d changes what was
// had: a number set by hand, or by an autoscaler, stays unless the spec's own
// numbers are other ones.
func (d Deployment) Rescaled(had Deployment, n int) int {
	if had.Replicas == d.Replicas && had.MinReplicas == d.MinReplicas && had.MaxReplicas == d.MaxReplicas {
		return n
	}
	switch {
	case had.Replicas == d.Replicas:
	case d.ScalingStrategy == ScaleInternal: // fewer is for the autoscaler to say
		n = max(n, d.Replicas)
	default:
		n = d.Replicas
	}
	n = max(n, d.MinReplicas)
	if d.MaxReplicas > 0 {
		n = min(n, d.MaxReplicas)
	}
	return n
}

// Most is how many instances d may have where a provider allows so many.
func (d Deployment) Most(allowed int) int {
	if d.MaxReplicas > 0 {
		return min(d.MaxReplicas, allowed)
	}
	return allowed
}

var deploymentName = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9._-]{0,126}[a-zA-Z0-9])?$`)

// maxCommandBytes keeps a command line and its environment well below what
// the kernel accepts for one exec.
const maxCommandBytes = 1 << 20

// Validate reports everything that is wrong with d, joined into one error.
func (d Deployment) Validate() error {
	var errs []error
	bad := func(format string, a ...any) { errs = append(errs, fmt.Errorf(format, a...)) }

	if !deploymentName.MatchString(d.Name) {
		bad("name: %q is not a function name", d.Name)
	}
	switch d.RuntimeMode {
	case "", HTTP, STDIO, FILE, EXEC:
	default:
		bad("runtimeMode: %q is none of HTTP, STDIO, FILE, EXEC", d.RuntimeMode)
	}
	if d.Replicas < 0 || d.MinReplicas < 0 || d.MaxReplicas < 0 {
		bad("replicas: must not be negative")
	}
	if d.MaxReplicas > 0 && d.MinReplicas > d.MaxReplicas {
		bad("minReplicas: %d is above maxReplicas %d", d.MinReplicas, d.MaxReplicas)
	}
	if d.EndpointConcurrency < 0 || d.EndpointConcurrency > MaxEndpointConcurrency {
		bad("endpointConcurrency: %d is not between 0 and %d", d.EndpointConcurrency, MaxEndpointConcurrency)
	}
	if d.TimeoutMillis < 0 {
		bad("timeoutMillis: must not be negative")
	}
	if _, err := ParseCPU(d.CPU); err != nil {
		bad("resources.cpu: %w", err)
	}
	if _, err := ParseMemory(d.Memory); err != nil {
		bad("resources.memory: %w", err)
	}

	size := len(d.RuntimeCommand)
	for _, c := range d.Commands {
		size += len(c)
		if strings.IndexByte(c, 0) >= 0 {
			bad("commands: contains a NUL byte")
		}
	}
	for k, v := range d.Env {
		size += len(k) + len(v)
		if k == "" || strings.ContainsAny(k, "=\x00") || strings.IndexByte(v, 0) >= 0 {
			bad("env: %q is not a usable variable", k)
		}
	}
	if size > maxCommandBytes {
		bad("commands, env: %d bytes, at most %d are allowed", size, maxCommandBytes)
	}
	return errors.Join(errs...)
}

// HasCommand reports whether the deployment says what to run.
func (d Deployment) HasCommand() bool {
	return len(d.Commands) > 0 && d.Commands[0] != "" || strings.TrimSpace(d.RuntimeCommand) != ""
}

// InvalidError is returned by Provision and SetReplicas for an invalid
// request: a retry does not help.
type InvalidError struct {
	Details []string // each "field: what is wrong", at least one
}

func (e *InvalidError) Error() string { return strings.Join(e.Details, "; ") }

// Invalid makes an InvalidError of err, one detail for each of its lines; nil
// of nil.
func Invalid(err error) error {
	if err == nil {
		return nil
	}
	return &InvalidError{Details: strings.Split(err.Error(), "\n")}
}
