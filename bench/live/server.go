package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"simplane/bench/child"
	"simplane/server/client"
	"simplane/sim/scenario"
)

// server is the server that the calls go to.
type server struct {
	api        *client.Client
	own        *child.Process // nil for one that was there
	registered []string
	was        map[string]any // runtime configuration of one that was there
}

// cleanupWithin bounds the calls that put a foreign server back as it was.
const cleanupWithin = 10 * time.Second

// connect starts a server with the scenario's settings, or gives them to the one
// that is named.
func (r *run) connect(ctx context.Context) (*server, error) {
	if r.opt.Server != nil {
		s := &server{api: r.opt.Server}
		if err := onThisMachine(s.api.Base()); err != nil {
			return nil, err
		}
		s.api.KeepConnections(maxOpen)
		if err := s.configure(ctx, &r.sc.Core); err != nil {
			return nil, errors.Join(err, s.close())
		}
		return s, nil
	}
	r.opt.Progress("starting a server")
	argv := []string{r.opt.Executable, "serve", "--addr", "127.0.0.1:0", "--mgmt-addr", "127.0.0.1:0",
		"--endpoint-allow", "127.0.0.1", "--log-level", "warn", "--shutdown-grace", "1s"}
	for _, set := range settings(&r.sc.Core) {
		argv = append(argv, "--"+set.flag+"="+set.value)
	}
	// The scenario says what holds, not the environment of this command.
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "SIMPLANE_") })
	own, err := child.StartEnv(ctx, "simplane serve", 2, env, argv...)
	if err != nil {
		return nil, err
	}
	api, err := client.New(own.Addrs[0], "")
	if err != nil {
		own.Stop()
		return nil, err
	}
	api.KeepConnections(maxOpen)
	return &server{api: api, own: own}, nil
}

// onThisMachine demands an address from which the backends can be reached.
func onThisMachine(base string) error {
	u, err := url.Parse(base)
	if err != nil {
		return err
	}
	if host := u.Hostname(); host != "localhost" && !net.ParseIP(host).IsLoopback() {
		return fmt.Errorf("--server %s: the backends listen on this machine's loopback address only; name a server on it as 127.0.0.1 or localhost", base)
	}
	return nil
}

// configure gives a running server what of the scenario's settings it can be told.
func (s *server) configure(ctx context.Context, c *scenario.Core) error {
	now, err := s.api.RuntimeConfig(ctx)
	if err != nil {
		return err
	}
	q := &c.SyncQueue
	want := map[string]any{
		"rateMaxPerSecond": c.RateMaxPerSecond, "syncQueueEnabled": q.Enabled,
		"syncQueueMaxConcurrency": q.MaxConcurrency, "syncQueueMaxDepth": q.MaxDepth,
		"syncQueueMaxEstimatedWait": iso(q.MaxEstimatedWait), "syncQueueMaxQueueWait": iso(q.MaxQueueWait),
	}
	was := map[string]any{}
	for key := range want {
		was[key] = now.Value[key]
	}
	if _, err = s.api.SetRuntimeConfig(ctx, now.Value.Revision(), want); err == nil {
		s.was = was
	}
	return err
}

// iso is a duration in ISO 8601.
func iso(d time.Duration) string { return fmt.Sprintf("PT%.9fS", d.Seconds()) }

// register makes the scenario's functions. A name that is taken is an error.
func (s *server) register(ctx context.Context, sc *scenario.Scenario, b *backends, executable string) error {
	for i := range sc.Functions {
		f := &sc.Functions[i]
		for _, name := range f.Names() {
			raw, err := json.Marshal(spec(f, name, b.endpoint(name), executable))
			if err != nil {
				return err
			}
			if _, err := s.api.Register(ctx, raw); err != nil {
				return fmt.Errorf("registering %s: %w", name, err)
			}
			s.registered = append(s.registered, name)
		}
	}
	return nil
}

// spec is a function's, as a user would register it.
func spec(f *scenario.Function, name, endpoint, executable string) map[string]any {
	out := map[string]any{
		"name": name, "image": "live", "concurrency": f.Concurrency, "queueSize": f.QueueSize, "maxRetries": f.MaxRetries,
		"timeoutMillis": f.TimeoutMillis, "retryBackoff": f.RetryBackoff, "rateMaxPerSecond": f.RateMaxPerSecond,
	}
	if !f.Scaled() {
		maps.Copy(out, map[string]any{"executionMode": "POOL", "endpointUrl": endpoint})
		return out
	}
	s, c := &f.Scaling, &f.Scaling.ConcurrencyControl
	metrics := []map[string]any{}
	for _, m := range s.Metrics {
		metrics = append(metrics, map[string]any{"type": m.Type, "target": m.Target})
	}
	maps.Copy(out, map[string]any{
		"executionMode": "DEPLOYMENT", "provider": "process", "commands": append([]string{executable}, InstanceArgs(endpoint, f.Provider.Startup)...),
		"scalingConfig": map[string]any{
			"strategy": s.Strategy, "minReplicas": s.MinReplicas, "maxReplicas": s.MaxReplicas, "metrics": metrics,
			"concurrencyControl": map[string]any{
				"mode": c.Mode, "targetInFlightPerPod": c.Target, "minTargetInFlightPerPod": c.MinTarget, "maxTargetInFlightPerPod": c.MaxTarget,
				"upscaleCooldownMs": c.UpscaleCooldown, "downscaleCooldownMs": c.DownscaleCooldown,
				"highLoadThreshold": c.HighLoad, "lowLoadThreshold": c.LowLoad,
			},
		},
	})
	return out
}

// figures are what the server tells of its functions, by registered name.
type figures struct {
	stats           map[string]client.FunctionStats
	service, served map[string]float64 // sum of service times in ms, and their number
	e2e, ended      map[string]float64 // the same of end-to-end latencies
}

func (s *server) read(ctx context.Context) (f figures, err error) {
	stats, err := s.api.Stats(ctx)
	if err != nil {
		return f, err
	}
	f.stats = stats.Value.Functions
	f.service, f.served, err = s.api.Sums(ctx, "function_latency_ms")
	if err == nil {
		f.e2e, f.ended, err = s.api.Sums(ctx, "function_e2e_latency_ms")
	}
	return f, err
}

// settle waits until everything that was accepted has ended.
func (s *server) settle(ctx context.Context, sc *scenario.Scenario, before figures, patience time.Duration) error {
	const pause = 50 * time.Millisecond
	for deadline := time.Now().Add(patience); ; {
		now, err := s.api.Stats(ctx)
		if err != nil {
			return err
		}
		left := int64(0)
		for i := range sc.Functions {
			for _, name := range sc.Functions[i].Names() {
				f, b := now.Value.Functions[name], before.stats[name]
				left += (f.Enqueued - b.Enqueued) - (f.Success + f.Error + f.Timeout - b.Success - b.Error - b.Timeout) + f.InFlight
			}
		}
		switch {
		case left == 0:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("%d executions have not ended %v after the last call, which is more than twice what the simulation takes", left, patience)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// close ends the server, or leaves a foreign one as it was found.
func (s *server) close() error {
	defer s.api.Close()
	if s.own != nil {
		s.own.Stop()
		return nil
	}
	// Also when the run was interrupted.
	ctx, cancel := context.WithTimeout(context.Background(), cleanupWithin)
	defer cancel()
	var errs []error
	for _, name := range s.registered {
		if err := s.api.Delete(ctx, name); err != nil {
			errs = append(errs, fmt.Errorf("deleting %s again: %w", name, err))
		}
	}
	if s.was != nil {
		now, err := s.api.RuntimeConfig(ctx)
		if err == nil {
			_, err = s.api.SetRuntimeConfig(ctx, now.Value.Revision(), s.was)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("putting the runtime configuration back: %w", err))
		}
	}
	return errors.Join(errs...)
}
