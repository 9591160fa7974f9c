package client

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
)

// RuntimeConfig holds the values by their API names, so that a newer server's
// keys can be read and set by an older client.
type RuntimeConfig map[string]json.RawMessage

// Revision is the revision the values belong to.
func (c RuntimeConfig) Revision() (n int64) {
	_ = json.Unmarshal(c["revision"], &n)
	return n
}

// Settings are the keys of the values that can be set, sorted: those besides
// what tells of the change that made them.
func (c RuntimeConfig) Settings() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(c)), func(key string) bool {
		return key == "revision" || key == "effectiveConfig" || key == "appliedAt" || key == "changeId"
	})
}

const runtimeConfigPath = "/v1/admin/runtime-config"

// RuntimeConfig gets what can be changed while the server runs.
func (c *Client) RuntimeConfig(ctx context.Context) (Answer[RuntimeConfig], error) {
	return call[RuntimeConfig](ctx, c, request{method: "GET", path: runtimeConfigPath})
}

// SetRuntimeConfig changes values if the revision is still the expected one.
func (c *Client) SetRuntimeConfig(ctx context.Context, expected int64, values map[string]any) (Answer[RuntimeConfig], error) {
	return call[RuntimeConfig](ctx, c, request{method: "PATCH", path: runtimeConfigPath, body: withRevision(expected, values)})
}

// CheckRuntimeConfig says what a change would meet, and changes nothing.
func (c *Client) CheckRuntimeConfig(ctx context.Context, expected int64, values map[string]any) (Answer[json.RawMessage], error) {
	return call[json.RawMessage](ctx, c, request{method: "POST", path: runtimeConfigPath + "/validate", body: withRevision(expected, values)})
}

// RuntimeHistory is the revision in force and the last changes, newest first.
type RuntimeHistory struct {
	Revision int64           `json:"revision"`
	Changes  []RuntimeChange `json:"changes"`
}

// RuntimeChange is one revision; Remote is empty for a signal.
type RuntimeChange struct {
	Revision int64  `json:"revision"`
	AtMillis int64  `json:"atMillis"`
	Who      string `json:"who"`
	Remote   string `json:"remote"`
	Changes  []struct {
		Key  string          `json:"key"`
		From json.RawMessage `json:"from"`
		To   json.RawMessage `json:"to"`
	} `json:"changes"`
}

// RuntimeConfigHistory gets who changed the values, when and how.
func (c *Client) RuntimeConfigHistory(ctx context.Context) (Answer[RuntimeHistory], error) {
	return call[RuntimeHistory](ctx, c, request{method: "GET", path: runtimeConfigPath + "/history"})
}

func withRevision(expected int64, values map[string]any) map[string]any {
	body := map[string]any{"expectedRevision": expected}
	for k, v := range values {
		body[k] = v
	}
	return body
}

// FunctionStats are one function's sizes and counters.
type FunctionStats struct {
	QueueDepth           int64    `json:"queueDepth"`
	InFlight             int64    `json:"inFlight"`
	EffectiveConcurrency int64    `json:"effectiveConcurrency"`
	QueueSize            int64    `json:"queueSize"`
	Enqueued             int64    `json:"enqueued"`
	Dispatched           int64    `json:"dispatched"`
	Success              int64    `json:"success"`
	Error                int64    `json:"error"`
	Timeout              int64    `json:"timeout"`
	Retries              int64    `json:"retries"`
	ColdStarts           int64    `json:"coldStarts"`
	Rejected             int64    `json:"rejected"`
	DeadLetters          int64    `json:"deadLetters"`
	Pausing              int64    `json:"pausing"`      // between two attempts
	LatencyMs            *Latency `json:"latencyMs"`    // not every server has it
	MetricsError         string   `json:"metricsError"` // why cpu or memory cannot scale it; empty if they can
	LimitsError          string   `json:"limitsError"`  // which limits do not hold for its processes; of one function's figures only
}

// Latency of the last minute, in milliseconds.
type Latency struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
}

// Stats are the server's.
type Stats struct {
	Functions        map[string]FunctionStats `json:"functions"`
	StoredExecutions int64                    `json:"storedExecutions"`
	StoredKeys       int64                    `json:"storedKeys"`
	PayloadBytes     int64                    `json:"payloadBytes"`
	SyncQueueDepth   int64                    `json:"syncQueueDepth"`
	UptimeSeconds    float64                  `json:"uptimeSeconds"`
	Durable          bool                     `json:"durable"` // there is a data directory
	JournalLagFacts  int64                    `json:"journalLagFacts"`
}

// Instances are those of a function.
type Instances struct {
	Provider  string `json:"provider"` // "" = nothing starts instances of it
	Desired   int    `json:"desired"`
	Ready     int    `json:"ready"`
	Starting  int    `json:"starting"`
	Waiting   int    `json:"waiting"` // invocations that wait for one
	Restarts  int64  `json:"restarts"`
	LastError string `json:"lastError"`
	Instances []struct {
		ID       string `json:"id"`
		Address  string `json:"address"`
		InFlight int    `json:"inFlight"`
		Ejected  bool   `json:"ejected"`
	} `json:"instances"` // that are ready
}

// Instances lists a function's instances.
func (c *Client) Instances(ctx context.Context, name string) (Answer[Instances], error) {
	return call[Instances](ctx, c, request{method: "GET", path: functionPath(name) + "/instances"})
}

// FunctionStats gets one function's figures.
func (c *Client) FunctionStats(ctx context.Context, name string) (Answer[FunctionStats], error) {
	return call[FunctionStats](ctx, c, request{method: "GET", path: functionPath(name) + "/stats"})
}

// Stats gets all functions' figures.
func (c *Client) Stats(ctx context.Context) (Answer[Stats], error) {
	functions := map[string]json.RawMessage{}
	for cursor := ""; ; {
		page, err := call[map[string]json.RawMessage](ctx, c, request{method: "GET", path: "/v1/admin/stats", query: query("cursor", cursor)})
		var cut Cut
		if err == nil {
			err = errors.Join(json.Unmarshal(page.Raw, &cut), json.Unmarshal(page.Value["functions"], &functions))
		}
		if err != nil {
			return Answer[Stats]{}, err
		}
		switch cut.NextCursor {
		case "":
			page.Value["functions"], _ = json.Marshal(functions)
			var all Answer[Stats]
			if all.Raw, err = json.Marshal(page.Value); err == nil {
				err = json.Unmarshal(all.Raw, &all.Value)
			}
			return all, err
		case cursor:
			return Answer[Stats]{}, errStuck
		}
		cursor = cut.NextCursor
	}
}

// Health is whether a server takes work.
type Health struct {
	Status string `json:"status"` // UP
}

// Readiness asks whether the server takes work. One that does not is an *Error with
// status 503.
func (c *Client) Readiness(ctx context.Context) (Answer[Health], error) {
	return call[Health](ctx, c, request{method: "GET", path: "/actuator/health/readiness"})
}
