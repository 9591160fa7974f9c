package loadgen

import (
	"simplane/bench/latency"
	"simplane/bench/machine"
)

// Result is what one run measured. Only requests whose intended time (open
// loop) or start (closed loop) lies after the warm-up are counted.
type Result struct {
	Mode        string  `json:"mode"` // "open" or "closed"
	Arrival     string  `json:"arrival,omitempty"`
	RateAsked   float64 `json:"rateAsked,omitempty"` // requests per second, open loop
	Connections int     `json:"connections"`
	Seed        uint64  `json:"seed"`

	WarmupSeconds  float64 `json:"warmupSeconds"`
	ElapsedSeconds float64 `json:"elapsedSeconds"` // from the warm-up's end to the last answer
	Interrupted    bool    `json:"interrupted,omitempty"`

	OK     int64 `json:"ok"`
	Failed int64 `json:"failed"` // transport failures and failed assertions
	// Unsent requests were due but found neither a connection nor room to
	// wait; they are in no histogram.
	Unsent int64 `json:"unsent"`
	// Throughput is successes per second of ElapsedSeconds.
	Throughput float64 `json:"throughput"`

	// Latency counts from the intended send time in an open loop, from the
	// real one in a closed loop; failures are included.
	Latency latency.Summary `json:"latency"`
	// Service counts from the real send time: what a closed-loop client would
	// have reported.
	Service latency.Summary `json:"service"`
	// Slip is how late the pacer released requests (open loop), caused by the
	// client.
	Slip latency.Summary `json:"scheduleSlip"`
	// Wait is how long released requests waited for a free connection.
	Wait latency.Summary `json:"connectionWait"`

	Statuses map[string]int64 `json:"statuses"`
	Failures []Failure        `json:"failures,omitempty"`
	Targets  []TargetResult   `json:"targets"`
	Stages   []StageResult    `json:"stages,omitempty"`
	Series   []Interval       `json:"series"`
	Usage    machine.Usage    `json:"usage"` // of this client and the machine
	// Findings name effects of the client or the machine, not the server, on
	// the figures.
	Findings []string `json:"findings,omitempty"`
	// ClientLimited marks a run whose figures are the client's limit.
	ClientLimited bool `json:"clientLimited"`
}

// TargetResult is one target's part of the mix.
type TargetResult struct {
	Name    string          `json:"name"`
	Method  string          `json:"method"`
	URL     string          `json:"url"`
	Weight  int             `json:"weight"`
	Latency latency.Summary `json:"latency"`
}

// StageResult is one stage: the requests that were due in it.
type StageResult struct {
	Stage      string          `json:"stage"`      // as arrival.ParseStages reads it
	Throughput float64         `json:"throughput"` // answers and failures per second of the stage
	Latency    latency.Summary `json:"latency"`
}

// Interval is one step of the time series.
type Interval struct {
	AtSeconds float64 `json:"at"` // end of the interval, from the warm-up's end
	Rate      float64 `json:"rate"`
	Failed    int64   `json:"failed"`
	P50Ms     float64 `json:"p50Ms"`
	P95Ms     float64 `json:"p95Ms"`
	P99Ms     float64 `json:"p99Ms"`
	MaxMs     float64 `json:"maxMs"`
}

// Total is the number of requests that got an answer or a failure.
func (r *Result) Total() int64 { return r.OK + r.Failed }

// ErrorShare is the share of due requests that failed or were never sent.
func (r *Result) ErrorShare() float64 {
	due := r.Total() + r.Unsent
	if due == 0 {
		return 0
	}
	return float64(r.Failed+r.Unsent) / float64(due)
}
