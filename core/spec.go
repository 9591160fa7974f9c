package core

// Spec is what core decides by about a function, with every default filled in.
// Its JSON names are those of the HTTP API.
type Spec struct {
	Name          string         `json:"name"`
	Concurrency   int            `json:"concurrency"`   // slots, > 0
	QueueSize     int            `json:"queueSize"`     // > 0
	MaxRetries    int            `json:"maxRetries"`    // >= 0
	TimeoutMillis int            `json:"timeoutMillis"` // > 0
	RetryBackoff  RetryBackoff   `json:"retryBackoff"`
	ScalingConfig *ScalingConfig `json:"scalingConfig,omitempty"`
	// Generation counts the changes of a registered function, from 1. Core sets
	// it.
	Generation uint64 `json:"generation,omitempty"`
	// RateMaxPerSecond limits this function alone, beside the global limit.
	// 0 = no limit of its own.
	RateMaxPerSecond int64 `json:"rateMaxPerSecond,omitempty"`
	// Durability says whether enqueued work of the function is kept in the
	// journal, where the request does not say.
	Durability Durability `json:"durability,omitempty"`
	// LSN is the fact that put the spec in force; 0 without a journal. Core sets
	// it.
	LSN LSN `json:"-"`
	// NoInstances says that nothing starts instances of the function: the
	// Scaler is not called for it.
	NoInstances bool `json:"-"`
	// Data belongs to the code that registers the function, to say how calls
	// are made, for example. Core hands it on with the Spec and does not read
	// it.
	Data any `json:"-"`
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
