package replicas

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"simplane/server/provider"
)

// Runner is what a provider does for one instance.
type Runner interface {
	// Run runs the instance from its start to its end; it returns once nothing of
	// it is left. It calls BecameReady when the instance can take work, and ends
	// it when Stop is closed.
	Run() Exit
}

// Exit is how an instance ended by itself.
type Exit struct {
	StartFailure *provider.Error // it was never ready
	Recycled     bool            // simplane replaced it, after it had work to do
	lived        time.Duration
}

// StartFailed is the Exit of an instance that did not get ready.
func StartFailed(format string, a ...any) Exit {
	return Exit{StartFailure: &provider.Error{Code: provider.CodeStartFailed, Message: fmt.Sprintf(format, a...)}}
}

// Instance is one replica from its start to its end.
type Instance struct {
	set    *Set
	id     string
	stop   chan struct{} // closed by Set.retire
	runner Runner

	// Guarded by Set.mu.
	of      *release
	leaving bool
	isReady bool
}

// serial makes instance ids unique in this process.
var serial atomic.Uint64

func newInstance(f *Set, of *release) *Instance {
	return &Instance{
		set: f, of: of,
		id:   fmt.Sprintf("%s-%d", f.Name, serial.Add(1)),
		stop: make(chan struct{}),
	}
}

// ID is unique in this process.
func (in *Instance) ID() string { return in.id }

// Stop is closed when the instance is to end.
func (in *Instance) Stop() <-chan struct{} { return in.stop }

// Spec is the deployment that the instance is started from.
func (in *Instance) Spec() provider.Deployment {
	in.set.mu.Lock()
	defer in.set.mu.Unlock()
	return in.of.dep
}

// OnTrial reports whether the instance is the first of a change that may still
// be given up.
func (in *Instance) OnTrial() bool {
	in.set.mu.Lock()
	defer in.set.mu.Unlock()
	return in.set.onTrial(in)
}

func (in *Instance) run() {
	began := time.Now()
	how := in.runner.Run()
	how.lived = time.Since(began)
	if how.StartFailure != nil {
		in.Note(slog.LevelError, how.StartFailure.Error())
	}
	in.set.exited(in, how)
}

// Note logs a line about the instance, for the operator and in the function's
// log.
func (in *Instance) Note(level slog.Level, text string) { in.set.Note(in.id, level, text) }

// Turn waits for one of the places among the starting instances. false means
// the instance is to stop instead.
func (in *Instance) Turn() bool {
	select {
	case in.set.starting <- struct{}{}:
		return true
	case <-in.stop:
		return false
	}
}

// EndTurn gives the place up.
func (in *Instance) EndTurn() { <-in.set.starting }

// BecameReady puts the instance into balancing, unless it is to stop already.
func (in *Instance) BecameReady(address string, took time.Duration, target provider.Instance) bool {
	return in.set.becameReady(in, address, took, target)
}

// Drain takes the instance out of balancing and waits for its invocations,
// within limits, or until gone is closed.
func (in *Instance) Drain(gone <-chan struct{}) {
	idle := in.set.Pool.Remove(in.id)
	limit := time.NewTimer(in.set.opt.DrainTimeout)
	defer limit.Stop()
	select {
	case <-idle:
	case <-gone:
	case <-limit.C:
		in.Note(slog.LevelWarn, "stopped with invocations still running")
	}
}
