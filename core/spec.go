package core

// Execution modes: where a function runs.
const (
	ModeLocal      = "LOCAL"      // an in-process handler
	ModePool       = "POOL"       // an HTTP endpoint somebody else runs
	ModeDeployment = "DEPLOYMENT" // instances that a provider starts and scales
)

// Runtime modes: how an instance takes work.
const (
	RuntimeHTTP  = "HTTP"
	RuntimeStdio = "STDIO"
	RuntimeFile  = "FILE"
)

// Spec describes a function, with every default filled in. Its JSON form is
// the one of the HTTP API.
type Spec struct {
	Name             string            `json:"name"`
	Image            string            `json:"image"`
	ExecutionMode    string            `json:"executionMode"`
	RuntimeMode      string            `json:"runtimeMode"`
	Concurrency      int               `json:"concurrency"`   // slots, > 0
	QueueSize        int               `json:"queueSize"`     // > 0
	MaxRetries       int               `json:"maxRetries"`    // >= 0
	TimeoutMillis    int               `json:"timeoutMillis"` // > 0
	EndpointURL      string            `json:"endpointUrl,omitempty"`
	Commands         []string          `json:"commands"`
	RuntimeCommand   string            `json:"runtimeCommand,omitempty"`
	WorkingDirectory string            `json:"workingDirectory,omitempty"`
	Env              map[string]string `json:"env"`
	Resources        *Resources        `json:"resources,omitempty"`
	ImagePullSecrets []string          `json:"imagePullSecrets"`
	ScalingConfig    *ScalingConfig    `json:"scalingConfig,omitempty"`
	// RateMaxPerSecond limits this function alone, beside the global limit.
	// 0 = no limit of its own.
	RateMaxPerSecond int64 `json:"rateMaxPerSecond,omitempty"`
}

// Resources are per instance, in Kubernetes notation ("500m", "128Mi").
type Resources struct {
	CPU    string `json:"cpu,omitempty"`
	Memory string `json:"memory,omitempty"`
}

// ScalingConfig says how many instances there are.
type ScalingConfig struct {
	Strategy           string              `json:"strategy"`    // HPA, INTERNAL or NONE
	MinReplicas        int                 `json:"minReplicas"` // >= 0
	MaxReplicas        int                 `json:"maxReplicas"` // >= minReplicas, > 0
	Metrics            []ScalingMetric     `json:"metrics"`
	ConcurrencyControl *ConcurrencyControl `json:"concurrencyControl,omitempty"`
}

// ScalingMetric is one figure to hold at its target per instance.
type ScalingMetric struct {
	Type   string  `json:"type"`           // queue_depth, in_flight, rps, cpu, memory or prometheus
	Target float64 `json:"target"`         // > 0
	Name   string  `json:"name,omitempty"` // for prometheus
}

// ConcurrencyControl says how many executions an instance runs at once.
type ConcurrencyControl struct {
	Mode                    string  `json:"mode"` // FIXED, STATIC_PER_POD or ADAPTIVE_PER_POD
	TargetInFlightPerPod    int     `json:"targetInFlightPerPod"`
	MinTargetInFlightPerPod int     `json:"minTargetInFlightPerPod"`
	MaxTargetInFlightPerPod int     `json:"maxTargetInFlightPerPod"`
	UpscaleCooldownMs       int     `json:"upscaleCooldownMs"`
	DownscaleCooldownMs     int     `json:"downscaleCooldownMs"`
	HighLoadThreshold       float64 `json:"highLoadThreshold"`
	LowLoadThreshold        float64 `json:"lowLoadThreshold"`
}
