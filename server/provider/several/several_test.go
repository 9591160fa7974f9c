package several_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"simplane/server/provider"
	"simplane/server/provider/process"
	"simplane/server/provider/several"
)

const hang = time.Minute // a test that waits longer has failed

// kit is a provider of two that run processes, named a and b: what it does with
// instances is seen on real ones.
type kit struct {
	*several.Provider
	t    *testing.T
	a, b *process.Provider
}

func start(t *testing.T) *kit {
	t.Helper()
	opt := process.Options{TrialTime: time.Millisecond, BackoffBase: time.Millisecond, BackoffMax: 5 * time.Millisecond}
	k := &kit{t: t, a: process.New(opt), b: process.New(opt)}
	k.Provider = several.New(slog.New(slog.DiscardHandler), provider.Named{Name: "a", Provider: k.a}, provider.Named{Name: "b", Provider: k.b})
	k.Trial = time.Millisecond
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), hang)
		defer cancel()
		if err := k.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return k
}

// at is a function that answers with the name of the provider that it is for.
func at(name string) provider.Deployment {
	return provider.Deployment{Name: "f", Provider: name, RuntimeMode: provider.STDIO, Replicas: 1,
		RuntimeCommand: `while read line; do case "$line" in *slow*) sleep 1;; esac; echo '{"output":"'` + name + `'"}'; done`}
}

func (k *kit) provision(d provider.Deployment) {
	k.t.Helper()
	if err := k.Provision(context.Background(), d); err != nil {
		k.t.Fatal(err)
	}
}

func (k *kit) invoke(input string) (where string, r provider.Result) {
	raw, _ := json.Marshal(input)
	r = k.Invoke(context.Background(), "f", provider.Invocation{ExecutionID: "e", Input: raw, Deadline: time.Now().Add(hang)})
	_ = json.Unmarshal(r.Output, &where)
	return where, r
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(hang); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still not: %s", what)
		}
	}
}

func (k *kit) rollout() provider.Rollout {
	s, _ := k.Status("f")
	return s.Rollout
}

func TestFirstIsTheDefault(t *testing.T) {
	k := start(t)
	d := at("a")
	d.Provider = ""
	k.provision(d)
	if where, r := k.invoke("x"); where != "a" {
		t.Errorf("%+v", r)
	}
	d.Provider = "c"
	if err := k.Provision(context.Background(), d); err == nil || !strings.Contains(err.Error(), "not switched on") {
		t.Error(err)
	}
	if err := k.Deprovision(context.Background(), "f"); err != nil {
		t.Error(err)
	}
	if _, known := k.Status("f"); known || k.Endpoints("f") != nil {
		t.Error("it is still there")
	}
}

// While a function moves to and fro its callers notice nothing, and nothing of it
// stays where it was.
func TestMoving(t *testing.T) {
	k := start(t)
	k.provision(at("a"))
	stop := make(chan struct{})
	var callers sync.WaitGroup
	for range 3 {
		callers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if where, r := k.invoke("x"); !r.OK() || where == "" {
					t.Errorf("%+v", r)
					return
				}
			}
		})
	}
	other := map[string]*process.Provider{"a": k.b, "b": k.a}
	for i := range 6 {
		name := []string{"b", "a"}[i%2]
		slow := make(chan provider.Result, 1)
		go func() { _, r := k.invoke("slow"); slow <- r }() // it ends where it began
		k.provision(at(name))
		eventually(t, "the other answers", func() bool {
			where, _ := k.invoke("x")
			return where == name && k.rollout() == provider.Rollout{}
		})
		if r := <-slow; !r.OK() {
			t.Errorf("a call that ran: %+v", r)
		}
		eventually(t, "nothing is left where it was", func() bool { _, known := other[name].Status("f"); return !known })
	}
	close(stop)
	callers.Wait()
}

// A function goes back to where its last calls still run: their end there is not its own.
func TestMovingBackAtOnce(t *testing.T) {
	k := start(t)
	k.provision(at("a"))
	if where, r := k.invoke("x"); where != "a" {
		t.Fatalf("%+v", r)
	}
	slow := make(chan provider.Result, 1)
	go func() { _, r := k.invoke("slow"); slow <- r }()
	eventually(t, "it runs", func() bool { s, _ := k.a.Status("f"); return s.InFlight == 1 })
	for _, name := range []string{"b", "a"} {
		k.provision(at(name))
		eventually(t, "it moves", func() bool { return k.rollout() == provider.Rollout{} })
	}
	if r := <-slow; !r.OK() {
		t.Errorf("%+v", r)
	}
	time.Sleep(100 * time.Millisecond) // when the departure would have ended it
	if where, r := k.invoke("x"); where != "a" {
		t.Fatalf("%+v", r)
	}
	for i := range 10 { // with nothing to wait for
		name := []string{"b", "a"}[i%2]
		k.provision(at(name))
		eventually(t, "it moves", func() bool { return k.rollout() == provider.Rollout{} })
		if where, r := k.invoke("x"); where != name {
			t.Fatalf("%+v", r)
		}
	}
	eventually(t, "nothing is left at the other", func() bool { _, known := k.b.Status("f"); return !known })
}

// So does one that is deleted and comes again.
func TestAgainWhileItLeaves(t *testing.T) {
	k := start(t)
	k.provision(at("a"))
	slow := make(chan provider.Result, 1)
	go func() { _, r := k.invoke("slow"); slow <- r }()
	eventually(t, "it runs", func() bool { s, _ := k.a.Status("f"); return s.InFlight == 1 })
	k.provision(at("b"))
	eventually(t, "it moves", func() bool { return k.rollout() == provider.Rollout{} })
	if err := k.Deprovision(context.Background(), "f"); err != nil {
		t.Fatal(err)
	}
	k.provision(at("a"))
	<-slow
	time.Sleep(100 * time.Millisecond) // when the departure would have ended it
	if where, r := k.invoke("x"); where != "a" {
		t.Errorf("%+v", r)
	}
}

// A provider that cannot run the function does not get it.
func TestFailedMove(t *testing.T) {
	k := start(t)
	k.Trial = hang // what exits has time for it, however busy the machine
	k.provision(at("a"))
	k.invoke("x")
	defer func() {
		if t.Failed() {
			s, _ := k.b.Status("f")
			t.Logf("%+v; at b: %+v", k.rollout(), s)
		}
	}()
	bad := at("b")
	bad.RuntimeCommand = "echo no such library >&2; exit 4"
	for _, mode := range []provider.RuntimeMode{provider.HTTP, provider.STDIO} {
		bad.RuntimeMode = mode
		k.provision(bad)
		eventually(t, "the move is given up", func() bool {
			r := k.rollout()
			return r.State == provider.RolloutFailed && strings.Contains(r.Message, "provider b") && strings.Contains(r.Message, "no such library")
		})
		if where, _ := k.invoke("x"); where != "a" {
			t.Errorf("%q answers", where)
		}
		eventually(t, "nothing is left of the try", func() bool { _, known := k.b.Status("f"); return !known })
	}
	k.provision(at("a"))
	if r := k.rollout(); r != (provider.Rollout{}) {
		t.Errorf("after it was taken back: %+v", r)
	}
	// Refused at once, it changes nothing.
	bad.RuntimeCommand = ""
	if err := k.Provision(context.Background(), bad); err == nil {
		t.Error("a deployment without a command")
	}
	if where, _ := k.invoke("x"); where != "a" || k.rollout() != (provider.Rollout{}) {
		t.Errorf("%q, %+v", where, k.rollout())
	}
}

// What is taken back, or deleted, before the new instances are ready leaves nothing.
func TestMoveBrokenOff(t *testing.T) {
	k := start(t)
	never := at("b")
	never.RuntimeMode, never.RuntimeCommand = provider.HTTP, "sleep 1000"
	for _, deleted := range []bool{false, true} {
		k.provision(at("a"))
		k.invoke("x")
		k.provision(never)
		if r := k.rollout(); r.State != provider.RolloutProgressing {
			t.Errorf("%+v", r)
		}
		if deleted {
			if err := k.Deprovision(context.Background(), "f"); err != nil {
				t.Error(err)
			}
		} else {
			k.provision(at("a"))
			if where, _ := k.invoke("x"); where != "a" || k.rollout() != (provider.Rollout{}) {
				t.Errorf("%q, %+v", where, k.rollout())
			}
		}
		eventually(t, "nothing is left of the try", func() bool { _, known := k.b.Status("f"); return !known })
	}
}

// One without instances moves at once, and starts where it is then; a number that
// was set by hand moves along.
func TestScaleMovesAlong(t *testing.T) {
	k := start(t)
	idle := at("a")
	idle.Replicas = 0
	k.provision(idle)
	idle = at("b")
	idle.Replicas = 0
	k.provision(idle)
	if where, r := k.invoke("x"); where != "b" || !r.ColdStart {
		t.Errorf("%q, %+v", where, r)
	}
	if err := k.SetReplicas(context.Background(), "f", 3); err != nil {
		t.Fatal(err)
	}
	eventually(t, "three", func() bool { s, _ := k.Status("f"); return s.Ready == 3 })
	back := at("a")
	back.Replicas = 0
	k.provision(back)
	eventually(t, "three at the other", func() bool {
		s, _ := k.Status("f")
		where, _ := k.invoke("x")
		return where == "a" && s.Ready == 3 && s.Desired == 3
	})
}

func TestWatchTellsOfAll(t *testing.T) {
	k := start(t)
	var mu sync.Mutex
	var seen []provider.Status
	stop := k.Watch(func(s provider.Status) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, s)
	})
	defer stop()
	told := func(what string, of func(provider.Status) bool) {
		t.Helper()
		eventually(t, what, func() bool {
			mu.Lock()
			defer mu.Unlock()
			return slices.ContainsFunc(seen, of)
		})
	}
	k.provision(at("a"))
	told("it is ready", func(s provider.Status) bool { return s.Function == "f" && s.Ready == 1 })
	k.provision(at("b"))
	told("it moves", func(s provider.Status) bool { return s.Rollout.State == provider.RolloutProgressing })
	eventually(t, "it has moved", func() bool { where, _ := k.invoke("x"); return where == "b" })
	eventually(t, "it is gone from where it was", func() bool { _, known := k.a.Status("f"); return !known })
	mu.Lock()
	if slices.ContainsFunc(seen, func(s provider.Status) bool { return s.Deleted }) {
		t.Error("it was told to be deleted")
	}
	mu.Unlock()
	if err := k.Deprovision(context.Background(), "f"); err != nil {
		t.Fatal(err)
	}
	told("it is deleted", func(s provider.Status) bool { return s.Deleted })
}
