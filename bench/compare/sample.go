package compare

import (
	"context"
	"runtime"
	"time"

	"simplane/bench/epollload"
	"simplane/bench/latency"
	"simplane/bench/loadgen"
	"simplane/bench/machine"
)

// Sample is one side in one round.
type Sample struct {
	Throughput float64 `json:"throughput"` // successes per second
	P50Ms      float64 `json:"p50Ms"`
	P99Ms      float64 `json:"p99Ms"`
	P999Ms     float64 `json:"p99.9Ms"`
	MaxMs      float64 `json:"maxMs"`
	Failed     int64   `json:"failed"`
	Unsent     int64   `json:"unsent"`
	// ServerCPUMicros is the server's CPU time per request, its backends'
	// not included; 0 when the server is not a child of this run.
	ServerCPUMicros float64 `json:"serverCpuMicros"`
	// ClientCores, ServerCores and OtherCores are CPU time by time: 1 is one
	// core all the time. The server's includes its backends'. What other
	// processes used is a lower bound. -1 is unknown.
	ClientCores float64 `json:"clientCores"`
	ServerCores float64 `json:"serverCores"`
	OtherCores  float64 `json:"otherCores"`
	// MachineBusy and Steal are shares of all cores; -1 is unknown.
	MachineBusy float64 `json:"machineBusy"`
	Steal       float64 `json:"steal"`
	// LateP99Ms is how late the client released requests of an open loop.
	LateP99Ms float64 `json:"lateP99Ms,omitempty"`
	// Saturated lists what limited the sample other than the subject.
	Saturated []string `json:"saturated,omitempty"`
}

// measurement is a sample with what the whole comparison sums up.
type measurement struct {
	Sample
	ok       int64
	latency  *latency.Histogram
	failures []loadgen.Failure
}

// measurer loads a subject once. Tests put known figures in its place.
type measurer func(ctx context.Context, s *Subject, o loadgen.Options) (measurement, error)

func measure(ctx context.Context, s *Subject, o loadgen.Options) (measurement, error) {
	mark, start := machine.Now(), time.Now()
	server, helpers := s.cpu(), s.helperCPU()
	res, err := epollload.Run(ctx, o, s.cpu)
	if err != nil {
		return measurement{}, err
	}
	wall := time.Since(start).Seconds()
	used := (s.cpu() - server + s.helperCPU() - helpers).Seconds()
	usage, cores := machine.Since(mark), float64(runtime.NumCPU())
	out := Sample{
		Throughput: res.Throughput(), Failed: res.Failed, Unsent: res.Unsent,
		P50Ms: latency.Percentile(res.Latency, 50), P99Ms: latency.Percentile(res.Latency, 99),
		P999Ms: latency.Percentile(res.Latency, 99.9), MaxMs: latency.Percentile(res.Latency, 100),
		ServerCores: -1, OtherCores: -1, MachineBusy: usage.MachineCPU, Steal: usage.Steal,
		LateP99Ms: latency.Percentile(res.Late, 99),
	}
	if res.Measured > 0 {
		out.ClientCores = res.ClientCPU.Seconds() / res.Measured.Seconds()
	}
	if s.server != nil {
		out.ServerCores = used / wall
		if usage.TaskCPU >= 0 {
			out.OtherCores = max(0, cores*usage.TaskCPU-usage.ProcessSeconds/wall-out.ServerCores)
		}
		if res.Answered > 0 {
			out.ServerCPUMicros = float64(res.ServerCPU.Nanoseconds()) / 1e3 / float64(res.Answered)
		}
	}
	out.Saturated = out.saturation(o.Rate, cores)
	return measurement{Sample: out, ok: res.OK, latency: res.Latency, failures: res.Failures}, nil
}
