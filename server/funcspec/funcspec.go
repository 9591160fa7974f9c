// Package funcspec describes a function as users register it: core's part,
// and how its calls are made and its instances are started. Core carries the
// second part as Spec.Data and does not read it.
package funcspec

import (
	"time"

	"simplane/core"
)

// Execution modes: where a function runs.
const (
	ModeLocal      = "LOCAL"      // an in-process handler
	ModePool       = "POOL"       // an HTTP endpoint that runs elsewhere
	ModeDeployment = "DEPLOYMENT" // instances that a provider starts and scales
)

// Runtime modes: how an instance takes work.
const (
	RuntimeHTTP  = "HTTP"
	RuntimeStdio = "STDIO"
	RuntimeFile  = "FILE"
	RuntimeExec  = "EXEC"
)

// Providers are what runs instances of DEPLOYMENT functions, where it is switched
// on.
var Providers = []string{"process", "container", "kubernetes"}

// Body modes: what the body of a call over HTTP is.
const (
	BodyEnvelope = "envelope" // {"input":…,"metadata":…}
	BodyRaw      = "raw"      // the input alone, a JSON string as its text
)

// Types of a health check.
const (
	HealthHTTP = "http"
	HealthTCP  = "tcp"
)

// Spec is a function as the API shows it, with every default filled in.
type Spec struct {
	Name             string              `json:"name"`
	Image            string              `json:"image,omitempty"` // what instances are started from, where they are
	ExecutionMode    string              `json:"executionMode"`
	RuntimeMode      string              `json:"runtimeMode"`
	Provider         string              `json:"provider,omitempty"` // empty for the server's default
	Concurrency      int                 `json:"concurrency"`
	QueueSize        int                 `json:"queueSize"`
	MaxRetries       int                 `json:"maxRetries"`
	TimeoutMillis    int                 `json:"timeoutMillis"`
	RetryBackoff     core.RetryBackoff   `json:"retryBackoff"`
	EndpointURL      string              `json:"endpointUrl,omitempty"`
	Commands         []string            `json:"commands"`
	RuntimeCommand   string              `json:"runtimeCommand,omitempty"`
	WorkingDirectory string              `json:"workingDirectory,omitempty"`
	InvokePath       string              `json:"invokePath"`
	BodyMode         string              `json:"bodyMode"`
	HealthCheck      HealthCheck         `json:"healthCheck"`
	Env              map[string]string   `json:"env"`
	Resources        *Resources          `json:"resources,omitempty"`
	ImagePullSecrets []string            `json:"imagePullSecrets"`
	ScalingConfig    *core.ScalingConfig `json:"scalingConfig,omitempty"`
	RateMaxPerSecond int64               `json:"rateMaxPerSecond"`
	Durability       core.Durability     `json:"durability,omitempty"`
	Generation       uint64              `json:"generation,omitempty"` // counts changes, from 1
	Rollout          *Rollout            `json:"rollout,omitempty"`    // nil when there is nothing to say; no part of what is registered
	Trouble          string              `json:"trouble,omitempty"`    // why its instances do not start; no part of what is registered
}

// HealthCheck says when an instance that serves HTTP is ready: with HealthHTTP
// once GET on the path answers 2xx or 404, with HealthTCP once its port is open.
type HealthCheck struct {
	Type string `json:"type"`
	Path string `json:"path,omitempty"` // of HealthHTTP
}

// Rollout says how the last change of a function's instances goes.
type Rollout struct {
	State   string `json:"state"`             // progressing or failed
	Message string `json:"message,omitempty"` // why it failed
}

// Runtime is the part of a Spec that says how calls are made and instances are
// started.
type Runtime struct {
	Image            string
	ExecutionMode    string
	RuntimeMode      string
	Provider         string // one of Providers; empty for the server's default
	EndpointURL      string
	Commands         []string
	RuntimeCommand   string
	WorkingDirectory string
	InvokePath       string
	BodyMode         string
	HealthCheck      HealthCheck
	Env              map[string]string
	Resources        *Resources
	ImagePullSecrets []string
	JSONBytes        int     // length of the View as JSON when it was registered
	Origin           *Origin // nil until the spec is in force
}

// Origin says how a spec came into force, and what was in force before it.
type Origin struct {
	Who     string     `json:"who"` // the author, as in the audit log
	At      time.Time  `json:"at"`
	Earlier []Revision `json:"earlier,omitempty"` // oldest first
	// Restores is the generation whose spec a rollback has put in force again; 0 =
	// it was no rollback.
	Restores uint64 `json:"restores,omitempty"`
}

// Revision is a spec that a function has had.
type Revision struct {
	Spec Spec      `json:"spec"`
	Who  string    `json:"who"`
	At   time.Time `json:"at"` // since when
	// Restores is that of its Origin. Failed says that its instances did not get
	// ready before the next change.
	Restores uint64 `json:"restores,omitempty"`
	Failed   bool   `json:"failed,omitempty"`
}

// MaxJSONBytes bounds a spec's stored form, its View as JSON. Code that
// registers functions refuses longer ones.
const MaxJSONBytes = 256 << 10

// Cost is about what a spec that Resolve made takes in memory, in bytes.
func Cost(s *core.Spec) int64 {
	const element = 64 // of a list or map, beside its text
	r := Of(s)
	n := len(r.Env) + len(r.Commands) + len(r.ImagePullSecrets)
	if s.ScalingConfig != nil {
		n += len(s.ScalingConfig.Metrics)
	}
	return int64(r.JSONBytes + element*n)
}

// Resources are per instance, in Kubernetes notation ("500m", "128Mi").
type Resources struct {
	CPU    string `json:"cpu,omitempty"`
	Memory string `json:"memory,omitempty"`
}

// Provided reports whether a provider starts instances of the function: it is
// a DEPLOYMENT without an endpoint of its own.
func (r *Runtime) Provided() bool { return r.ExecutionMode == ModeDeployment && r.EndpointURL == "" }

// Of returns the runtime part of a spec that Resolve made. It must not be
// changed.
func Of(s *core.Spec) *Runtime { return s.Data.(*Runtime) }

// View returns the whole of a spec that Resolve made.
func View(s *core.Spec) Spec {
	r := Of(s)
	return Spec{
		Name: s.Name, Image: r.Image, ExecutionMode: r.ExecutionMode, RuntimeMode: r.RuntimeMode, Provider: r.Provider,
		Concurrency: s.Concurrency, QueueSize: s.QueueSize, MaxRetries: s.MaxRetries, TimeoutMillis: s.TimeoutMillis,
		RetryBackoff: s.RetryBackoff,
		EndpointURL:  r.EndpointURL, Commands: r.Commands, RuntimeCommand: r.RuntimeCommand, WorkingDirectory: r.WorkingDirectory,
		InvokePath: r.InvokePath, BodyMode: r.BodyMode, HealthCheck: r.HealthCheck,
		Env: r.Env, Resources: r.Resources, ImagePullSecrets: r.ImagePullSecrets,
		ScalingConfig: s.ScalingConfig, RateMaxPerSecond: s.RateMaxPerSecond, Durability: s.Durability, Generation: s.Generation,
	}
}
