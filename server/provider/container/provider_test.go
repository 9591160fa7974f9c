package container_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	apicontainer "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"simplane/server/harness/containers"
	"simplane/server/provider"
	"simplane/server/provider/container"
)

func TestMain(m *testing.M) { containers.Main(m) }

const hang = 2 * time.Minute // a test that waits longer has failed

const functionPackage = "server/harness/containers/function"

// kit is a provider at the machine's engine.
type kit struct {
	*container.Provider
	t    *testing.T
	c    *client.Client
	name string
}

func start(t *testing.T, opt container.Options) *kit {
	t.Helper()
	c := containers.Client(t)
	return startAt(t, c, containers.Name(t, c), opt)
}

func startAt(t *testing.T, c *client.Client, name string, opt container.Options) *kit {
	t.Helper()
	if opt.Client == nil {
		opt.Client = c
	}
	opt.Name = name
	if opt.StartTimeout == 0 {
		opt.StartTimeout = hang
	}
	p, err := container.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	k := &kit{p, t, c, name}
	t.Cleanup(k.close)
	return k
}

func (k *kit) close() {
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	if err := k.Close(ctx); err != nil {
		k.t.Error(err)
	}
}

func (k *kit) provision(d provider.Deployment) {
	k.t.Helper()
	if err := k.Provision(context.Background(), d); err != nil {
		k.t.Fatal(err)
	}
}

func (k *kit) invoke(name, input string) provider.Result {
	k.t.Helper()
	raw, _ := json.Marshal(input)
	return k.Invoke(context.Background(), name, provider.Invocation{ExecutionID: "e", Input: raw, Deadline: time.Now().Add(hang)})
}

// text is the answer to a call, which is text.
func (k *kit) text(name, input string) (s string) {
	k.t.Helper()
	r := k.invoke(name, input)
	if err := json.Unmarshal(r.Output, &s); err != nil || !r.OK() {
		k.t.Fatalf("%s: %+v, %v", input, r, err)
	}
	return s
}

type sight struct {
	Host, Version string
	UID, PID      int
	Args          []string
}

func (k *kit) see(name string) (s sight) {
	k.t.Helper()
	r := k.invoke(name, "see")
	if err := json.Unmarshal(r.Output, &s); err != nil || !r.OK() {
		k.t.Fatalf("%+v, %v", r, err)
	}
	return s
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(hang); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still not: %s", what)
		}
	}
}

// mine are the containers of the kit's name.
func (k *kit) mine() []apicontainer.Summary {
	k.t.Helper()
	all, err := k.c.ContainerList(context.Background(), client.ContainerListOptions{All: true,
		Filters: client.Filters{}.Add("label", "simplane.internal/name="+k.name)})
	if err != nil {
		k.t.Fatal(err)
	}
	return all.Items
}

func deployment(image string) provider.Deployment {
	return provider.Deployment{Name: "f", Image: image, Replicas: 1}
}

// What a function can do in its container.
func TestConfined(t *testing.T) {
	k := start(t, container.Options{MaxProcesses: 77})
	d := deployment(containers.Image(t, k.c, functionPackage, "VOLUME /data"))
	d.CPU, d.Memory, d.Env = "500m", "64Mi", map[string]string{"VERSION": "1", "PORT": "99"}
	k.provision(d)
	first := k.invoke("f", "see")
	if !first.OK() || !first.ColdStart || first.InitDuration <= 0 {
		t.Fatalf("%+v", first)
	}
	if s := k.see("f"); s.Version != "1" || !slices.Equal(s.Args, []string{"/program"}) {
		t.Errorf("%+v", s)
	}
	if r := k.invoke("f", "token"); string(r.Output) != "true" {
		t.Errorf("the instance's token: %s", r.Output)
	}
	status := k.text("f", "read /proc/self/status")
	for _, line := range []string{"CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(status, line) {
			t.Errorf("no %q in\n%s", line, status)
		}
	}
	for path, want := range map[string]string{"/x": "read-only", "/program": "read-only", "/tmp/x": "<nil>", "/data/x": "<nil>"} {
		if got := k.text("f", "write "+path); !strings.Contains(got, want) {
			t.Errorf("write %s: %s, want %s", path, got, want)
		}
	}
	c := k.mine()
	if len(c) != 1 {
		t.Fatalf("%d containers", len(c))
	}
	found, err := k.c.ContainerInspect(context.Background(), c[0].ID, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	h := found.Container.HostConfig
	if h.Memory != 64<<20 || h.MemorySwap != 64<<20 || h.NanoCPUs != 500_000_000 || h.PidsLimit == nil || *h.PidsLimit != 77 {
		t.Errorf("limits: %+v", h.Resources)
	}
	if h.Privileged || len(h.Binds) > 0 || len(h.PortBindings) > 0 || !h.ReadonlyRootfs || string(h.RestartPolicy.Name) == "always" {
		t.Errorf("%+v", h)
	}
	for _, m := range found.Container.Mounts {
		if m.Type == "volume" || m.Type == "bind" {
			t.Errorf("mounted: %+v", m)
		}
	}
	s, _ := k.Status("f")
	if s.Ready != 1 || s.Desired != 1 || s.LimitsError != "" || s.LastError != "" {
		t.Errorf("%+v", s)
	}
	if err := k.Health(); err != nil {
		t.Error(err)
	}
}

func TestCommandsReplaceTheEntryPoint(t *testing.T) {
	k := start(t, container.Options{})
	d := deployment(containers.Image(t, k.c, functionPackage, `CMD ["left", "out"]`))
	d.Commands = []string{"/program", "given"}
	k.provision(d)
	if s := k.see("f"); !slices.Equal(s.Args, d.Commands) {
		t.Errorf("%q", s.Args)
	}
}

func TestRefusals(t *testing.T) {
	k := start(t, container.Options{})
	for what, c := range map[string]func(*provider.Deployment){
		"image: the container provider needs one":  func(d *provider.Deployment) { d.Image = "" },
		"image: \"Not An Image\"":                  func(d *provider.Deployment) { d.Image = "Not An Image" },
		"runtimeMode: a container must serve HTTP": func(d *provider.Deployment) { d.RuntimeMode = provider.STDIO },
		"resources.memory: 1Mi is less":            func(d *provider.Deployment) { d.Memory = "1Mi" },
		"replicas: at most 256":                    func(d *provider.Deployment) { d.Replicas = 257 },
		"imagePullSecrets[0]: there are no":        func(d *provider.Deployment) { d.ImagePullSecrets = []string{"x"} },
	} {
		d := deployment("some/image:1")
		c(&d)
		if err := k.Provision(context.Background(), d); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if n := len(k.mine()); n != 0 {
		t.Errorf("%d containers", n)
	}
}

// A function that dies is replaced, and callers and the log are told why.
func TestCrash(t *testing.T) {
	k := start(t, container.Options{BackoffBase: time.Millisecond})
	d := deployment(containers.Image(t, k.c, functionPackage))
	d.Memory = "64Mi"
	k.provision(d)
	before := k.see("f")
	r := k.invoke("f", "exit")
	if r.ErrorCode != provider.CodeCrashed || !strings.Contains(r.ErrorMessage, "exited with code 7") || !strings.Contains(r.ErrorMessage, "about to die") {
		t.Fatalf("%+v", r)
	}
	if after := k.see("f"); after.Host == before.Host {
		t.Error("the same container answers")
	}
	if s, _ := k.Status("f"); strings.Contains(s.LimitsError, "memory") {
		t.Skip("NOT TESTED: the engine limits no memory, and the machine's would be eaten: ", s.LimitsError)
	}
	limit := "memory limit"
	if containers.Podman(t, k.c) {
		limit = "signal 9" // it does not tell why with control groups of version 1
	}
	if r := k.invoke("f", "eat"); r.ErrorCode != provider.CodeCrashed || !strings.Contains(r.ErrorMessage, limit) {
		t.Fatalf("%+v", r)
	}
	k.see("f")
}

func TestLogs(t *testing.T) {
	k := start(t, container.Options{BackoffBase: time.Millisecond})
	k.provision(deployment(containers.Image(t, k.c, functionPackage)))
	k.invoke("f", "say one two")
	logged := func() []string {
		lines, err := k.Logs("f", 0)
		if err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, l := range lines {
			if l.Time.IsZero() || l.Instance == "" {
				t.Errorf("%+v", l)
			}
			texts = append(texts, l.Stream+" "+l.Text)
		}
		return texts
	}
	// The engine writes its logs a little later than the function does.
	eventually(t, "what it wrote is in the log", func() bool {
		all := logged()
		return slices.Contains(all, "stdout one two") && slices.Contains(all, "stderr begins as [/program]")
	})
	k.invoke("f", "exit")
	k.see("f")
	eventually(t, "so is what the one that died wrote, and its successor, once each", func() bool {
		all, n := logged(), 0
		for _, l := range all {
			if l == "stderr begins as [/program]" {
				n++
			}
		}
		return slices.Contains(all, "stdout one two") && slices.Contains(all, "stderr about to die") && n == 2
	})
	if lines, _ := k.Logs("f", 2); len(lines) != 2 {
		t.Errorf("%d of 2 lines", len(lines))
	}
}

func TestNeverReady(t *testing.T) {
	k := start(t, container.Options{StartTimeout: time.Second, BackoffBase: time.Hour, BackoffMax: time.Hour})
	image := containers.Image(t, k.c, functionPackage)
	for env, want := range map[string]string{"FAIL": "exited with code 3 before it was ready; stderr ends: begins as [/program]\nthe config is wrong", "SILENT": "did not answer GET /health at port 8080 within 1s; stderr ends: begins"} {
		d := deployment(image)
		d.Name, d.Env = strings.ToLower(env), map[string]string{env: "the config is wrong"}
		k.provision(d)
		if r := k.invoke(d.Name, "see"); r.ErrorCode != provider.CodeStartFailed || !strings.Contains(r.ErrorMessage, want) {
			t.Errorf("%+v", r)
		}
	}
	d := deployment(image)
	d.Name, d.Commands = "missing", []string{"/no/such"}
	k.provision(d)
	if r := k.invoke(d.Name, "see"); r.ErrorCode != provider.CodeStartFailed || !strings.Contains(strings.ToLower(r.ErrorMessage), "no such file") {
		t.Errorf("%+v", r)
	}
	eventually(t, "what did not start is removed", func() bool { return len(k.mine()) == 0 })
}

func TestScaling(t *testing.T) {
	k := start(t, container.Options{})
	d := deployment(containers.Image(t, k.c, functionPackage))
	d.Replicas = 0
	k.provision(d)
	if n := len(k.mine()); n != 0 {
		t.Fatalf("%d containers of a function that nobody has called", n)
	}
	if r := k.invoke("f", "see"); !r.OK() || !r.ColdStart {
		t.Fatalf("%+v", r)
	}
	scale := func(n int) {
		t.Helper()
		if err := k.SetReplicas(context.Background(), "f", n); err != nil {
			t.Fatal(err)
		}
		eventually(t, fmt.Sprint(n, " replicas"), func() bool {
			s, _ := k.Status("f")
			return s.Ready == n && s.Desired == n && len(k.mine()) == n
		})
	}
	scale(3)
	// Each call goes to the one with the fewest: three at a time are on three.
	var hosts sync.Map
	var calls sync.WaitGroup
	for range 3 {
		calls.Go(func() {
			var s sight
			r := k.invoke("f", "sleep 1s")
			if err := json.Unmarshal(r.Output, &s); err != nil {
				t.Errorf("%+v", r)
			}
			hosts.Store(s.Host, true)
		})
	}
	calls.Wait()
	n := 0
	hosts.Range(func(any, any) bool { n++; return true })
	if n != 3 {
		t.Errorf("three calls at the same time were on %d containers", n)
	}
	scale(1)
	scale(0)
	if r := k.invoke("f", "see"); !r.OK() || !r.ColdStart {
		t.Fatalf("%+v", r)
	}
	if err := k.SetReplicas(context.Background(), "f", 257); err == nil {
		t.Error("257 replicas")
	}
}

// New instances first; old ones end as their calls do, and callers notice nothing.
func TestRollout(t *testing.T) {
	k := start(t, container.Options{BackoffBase: time.Millisecond})
	d := deployment(containers.Image(t, k.c, functionPackage))
	d.Replicas, d.Env = 2, map[string]string{"VERSION": "1"}
	k.provision(d)
	eventually(t, "both are ready", func() bool { s, _ := k.Status("f"); return s.Ready == 2 })

	long := make(chan provider.Result, 1)
	go func() { long <- k.invoke("f", "sleep 3s") }()
	eventually(t, "it runs", func() bool { s, _ := k.Status("f"); return s.InFlight == 1 })
	stop := make(chan struct{})
	var calls atomic.Int64
	var callers sync.WaitGroup
	for range 2 {
		callers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if r := k.invoke("f", "see"); !r.OK() {
					t.Errorf("%+v", r)
					return
				}
				calls.Add(1)
			}
		})
	}
	d.Env = map[string]string{"VERSION": "2"}
	k.provision(d)
	eventually(t, "the new ones answer", func() bool {
		s, _ := k.Status("f")
		return s.Rollout == (provider.Rollout{}) && s.Ready == 2 && k.see("f").Version == "2"
	})
	if r := <-long; !r.OK() || !strings.Contains(string(r.Output), `"version":"1"`) {
		t.Errorf("the call that ran on an old instance: %+v", r)
	}
	eventually(t, "the old ones are gone", func() bool { return len(k.mine()) == 2 })
	close(stop)
	callers.Wait()
	if calls.Load() == 0 {
		t.Error("nobody called")
	}

	bad := d
	bad.Env = map[string]string{"FAIL": "a bad change"}
	k.provision(bad)
	eventually(t, "the change is given up", func() bool {
		s, _ := k.Status("f")
		return s.Rollout.State == provider.RolloutFailed && strings.Contains(s.Rollout.Message, "a bad change")
	})
	if s := k.see("f"); s.Version != "2" {
		t.Errorf("version %q answers", s.Version)
	}
	eventually(t, "what was tried is gone", func() bool { return len(k.mine()) == 2 })
}

func TestStopsWithGrace(t *testing.T) {
	k := start(t, container.Options{})
	image := containers.Image(t, k.c, functionPackage)
	k.provision(deployment(image))
	k.see("f")
	running := make(chan provider.Result, 1)
	go func() { running <- k.invoke("f", "sleep 1s") }()
	eventually(t, "it runs", func() bool { s, _ := k.Status("f"); return s.InFlight == 1 })
	if err := k.Deprovision(context.Background(), "f"); err != nil {
		t.Fatal(err)
	}
	if r := <-running; !r.OK() {
		t.Errorf("a call that ran: %+v", r)
	}
	if n := len(k.mine()); n != 0 {
		t.Errorf("%d containers are left", n)
	}
	d := deployment(image)
	d.Name, d.Commands = "deaf", []string{"/program", "--deaf"}
	k.provision(d)
	k.see("deaf")
	if err := k.Deprovision(context.Background(), "deaf"); err != nil {
		t.Fatal(err)
	}
	if n := len(k.mine()); n != 0 {
		t.Errorf("%d containers are left of one that ignores SIGTERM", n)
	}
}
