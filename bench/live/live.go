// Package live runs a scenario in real time, with real HTTP calls to a real server
// and backends that draw the scenario's own service times, and compares what came of
// it with simulations of the same scenario.
package live

import (
	"context"
	"errors"
	"fmt"
	"time"

	"simplane/bench/machine"
	"simplane/server/client"
	"simplane/sim"
	"simplane/sim/scenario"
)

// Options say where a scenario runs.
type Options struct {
	// Executable is simplane's own binary: it serves, and it is the instances of
	// scaled functions (InstanceArgs).
	Executable string
	// Server is a server on this machine to use; nil starts one.
	Server *client.Client
	// Runs is how many simulations of other seeds the intervals are made of, at
	// least MinRuns.
	Runs int
	// Progress is told what is being done. nil = nobody is.
	Progress func(what string)
}

// MinRuns is the fewest simulations that tell an interval of 95 %.
const MinRuns = 39

// DefaultRuns is a number that takes seconds and makes fair intervals.
const DefaultRuns = 99

// Run carries a scenario out. The error is a *strictyaml.Error for what cannot be
// carried out, found before anything is started.
func Run(ctx context.Context, sc *scenario.Scenario, opt Options) (*Result, error) {
	if opt.Runs < MinRuns {
		return nil, fmt.Errorf("%d simulated runs: use %d or more, fewer tell no interval of 95 %%", opt.Runs, MinRuns)
	}
	if opt.Progress == nil {
		opt.Progress = func(string) {}
	}
	played := *sc
	played.Settle, played.Expect = 0, nil // both are about virtual time
	if err := check(&played, opt.Server != nil); err != nil {
		return nil, err
	}
	same, err := simulate(&played)
	if err != nil {
		return nil, err
	}
	if err := checkLength(&played, same); err != nil {
		return nil, err
	}
	r := &run{sc: &played, opt: opt, calls: plan(&played), patience: 2*same.Virtual + 30*time.Second}
	if err := r.carryOut(ctx); err != nil {
		return nil, err
	}
	return r.result(ctx, same)
}

// run is a scenario being carried out.
type run struct {
	sc       *scenario.Scenario
	opt      Options
	calls    []call
	patience time.Duration // until all must have ended

	server   *server
	backends *backends
	began    time.Time
	usage    machine.Usage
	measured map[string]*measured // by declared function
}

// carryOut makes all calls and reads what came of them. When it returns nothing
// that it started is left.
func (r *run) carryOut(ctx context.Context) (err error) {
	if r.server, err = r.connect(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.server.close()) }()
	if r.backends, err = serveBackends(r.sc); err != nil {
		return err
	}
	defer r.backends.close()
	if err := r.server.register(ctx, r.sc, r.backends, r.opt.Executable); err != nil {
		return err
	}
	before, err := r.server.read(ctx)
	if err != nil {
		return err
	}
	mark := machine.Now()
	if err := r.drive(ctx); err != nil {
		return err
	}
	if err := r.server.settle(ctx, r.sc, before, r.patience); err != nil {
		return err
	}
	r.usage = machine.Since(mark)
	after, err := r.server.read(ctx)
	if err != nil {
		return err
	}
	r.measured, err = r.measure(ctx, before, after)
	return err
}

func simulate(sc *scenario.Scenario) (*sim.Result, error) {
	r, err := sim.Run(sc, sim.Options{Unchecked: true})
	if err == nil && r.Violation != nil {
		err = r.Violation
	}
	return r, err
}
