package server

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"simplane/server/internal/journal/pebblelog"
	"simplane/server/provider"
)

// askedProvider notes what it was asked to run.
type askedProvider struct {
	keptProvider
	provision func(name string) error // nil agrees
	failed    bool                    // the rollout's state

	mu    sync.Mutex
	asked []string
}

func (p *askedProvider) Provision(_ context.Context, d provider.Deployment) error {
	p.mu.Lock()
	p.asked = append(p.asked, d.Name)
	p.mu.Unlock()
	if p.provision == nil {
		return nil
	}
	return p.provision(d.Name)
}

func (p *askedProvider) Status(string) (provider.Status, bool) {
	s := provider.Status{Desired: 1, Ready: 1}
	if p.failed {
		s.Rollout.State = provider.RolloutFailed
	}
	return s, true
}

func (p *askedProvider) names() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.asked, " ")
}

func by(p provider.Provider) func(*Config) {
	return func(c *Config) {
		c.Provider, c.Made = ProviderKubernetes, map[string]provider.Provider{ProviderKubernetes: p}
	}
}

// A process that dies while the provider makes a function's instances has the
// function: the next life makes or adopts them, and none are left that nobody
// knows.
func TestACrashBetweenTheFactAndTheProvider(t *testing.T) {
	dir, copied := t.TempDir(), ""
	p := &askedProvider{}
	f := start(t, in(dir), by(p))
	p.provision = func(string) error {
		f.get("/v1/functions/fn").refused(404, "NOT_FOUND") // not while it may still be refused
		f.invoke("fn", `1`).refused(404, "NOT_FOUND")
		copied = f.abandon(dir)
		return nil
	}
	f.register("fn", "DEPLOYMENT")
	f.get("/v1/functions/fn").expect(200)

	next := &askedProvider{}
	f2 := start(t, in(copied), by(next))
	f2.get("/v1/functions/fn").expect(200)
	if next.names() != "fn" {
		t.Errorf("the next life asked for %q", next.names())
	}
}

// What the provider refuses is not there after a restart either, and its name is
// free.
func TestARefusedFunctionDoesNotComeBack(t *testing.T) {
	dir := t.TempDir()
	p := &askedProvider{provision: func(string) error { return errors.New("no room") }}
	f := start(t, in(dir), by(p))
	f.do("POST", "/v1/functions", `{"name":"fn","image":"i","executionMode":"DEPLOYMENT"}`).refused(503, "PROVIDER_ERROR")
	f.get("/v1/functions/fn").refused(404, "NOT_FOUND")
	next := &askedProvider{}
	f2 := start(t, in(f.abandon(dir)), by(next))
	f2.get("/v1/functions/fn").refused(404, "NOT_FOUND")
	if next.names() != "" {
		t.Errorf("the next life asked for %q", next.names())
	}
	p.provision = nil
	f.register("fn", "DEPLOYMENT")
	f3 := start(t, in(f.abandon(dir)), by(next))
	f3.get("/v1/functions/fn").expect(200)
}

// stalling has the journal's syncs wait while it is stalled.
type stalling struct {
	mu    sync.Mutex
	until chan struct{}
}

func (s *stalling) stall() (again func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	until := make(chan struct{})
	s.until = until
	return sync.OnceFunc(func() {
		s.mu.Lock()
		s.until = nil
		s.mu.Unlock()
		close(until)
	})
}

func (s *stalling) journal(c *Config) {
	c.JournalTimeout = hangGuard
	c.onLog = func(o *pebblelog.Options) {
		o.FS = errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if strings.HasSuffix(op.Path, ".log") && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo) {
				s.mu.Lock()
				until := s.until
				s.mu.Unlock()
				if until != nil {
					<-until
				}
			}
			return nil
		}))
	}
}

// Nobody is shown a function, a change of it, or that it is gone, and no provider
// is asked for it, before that is on disk.
func TestNothingShowsBeforeItIsStored(t *testing.T) {
	disk := &stalling{}
	p := &askedProvider{}
	f := start(t, in(t.TempDir()), by(p), disk.journal)
	f.register("old", "LOCAL")
	for _, c := range []struct {
		method, path, body string
		at                 string // of a GET that shows it
		before             string // what is shown once it is stored
	}{
		{"PUT", "/v1/functions/old", `{"image":"i","executionMode":"LOCAL","concurrency":7}`, "/v1/functions/old", `"concurrency":7`},
		{"PUT", "/v1/functions/old", `{"image":"i","executionMode":"LOCAL","concurrency":8}`, "/v1/functions", `"concurrency":8`},
		{"PUT", "/v1/functions/old", `{"image":"i","executionMode":"LOCAL","concurrency":9}`, "/v1/functions/old/revisions", `"concurrency":9`},
		{"DELETE", "/v1/functions/old", "", "/v1/functions/old", "NOT_FOUND"},
		{"POST", "/v1/functions", `{"name":"fn","image":"i","executionMode":"DEPLOYMENT"}`, "/v1/functions", `"fn"`},
	} {
		again := disk.stall()
		answers, shown := make(chan *answer, 1), make(chan *answer, 1)
		cr := f.s.only.core
		before, was := cr.SettingsAt(), cr.Function("old")
		go func() { a, _ := f.try(f.api, c.method, c.path, c.body); answers <- a }()
		// Who reads sooner than that may be shown at once what was there before.
		f.eventually("core has made the change, whose fact is on its way", func() bool {
			switch c.method {
			case "PUT":
				return was.Spec().LSN > before
			case "DELETE":
				return cr.Function("old") == nil
			default:
				return cr.SettingsAt() > before
			}
		})
		go func() { a, _ := f.try(f.api, "GET", c.at, ""); shown <- a }()
		for range 20 { // whatever does not wait has its chance
			f.onMgmt("GET", "/v1/admin/stats", "").expect(200)
		}
		select {
		case a := <-answers:
			t.Errorf("%s %s was answered before it is stored: %s", c.method, c.path, a.body)
		case a := <-shown:
			t.Errorf("%s %s is shown before it is stored: %s", c.method, c.path, a.body)
		default:
		}
		if p.names() != "" {
			t.Errorf("the provider was asked for %q before it is stored", p.names())
		}
		again()
		if a := receive(t, "the change is answered", answers); a == nil || a.status >= 300 {
			t.Errorf("%s %s: %+v", c.method, c.path, a)
		}
		if a := receive(t, "it is shown", shown); a == nil || c.method != "POST" && !strings.Contains(string(a.body), c.before) {
			t.Errorf("%s %s: shown is %s", c.method, c.path, a.body)
		}
	}
	if p.names() != "fn" {
		t.Errorf("the provider was asked for %q", p.names())
	}
}

// Revisions come back with all that is said of them: which one failed, which one
// a rollback restored, and their generations go on.
func TestRevisionsOutliveTheProcess(t *testing.T) {
	type revision struct {
		Generation, Restores uint64
		Failed               bool
		Who                  string
		Spec                 struct{ Concurrency int }
	}
	read := func(f *fixture) (list []revision) {
		t.Helper()
		if err := json.Unmarshal(f.get("/v1/functions/fn/revisions").expect(200).body, &list); err != nil {
			t.Fatal(err)
		}
		return list
	}
	dir := t.TempDir()
	p := &askedProvider{}
	f := start(t, in(dir), by(p))
	f.register("fn", "DEPLOYMENT", `"concurrency":1`)
	f.do("PUT", "/v1/functions/fn", `{"image":"i","executionMode":"DEPLOYMENT","concurrency":2}`).expect(200)
	p.failed = true
	f.do("POST", "/v1/functions/fn:rollback", `{"generation":1}`).expect(200)
	p.failed = false
	before := read(f)
	want := []revision{
		{Generation: 3, Restores: 1, Who: before[0].Who, Spec: struct{ Concurrency int }{1}},
		{Generation: 2, Failed: true, Who: before[0].Who, Spec: struct{ Concurrency int }{2}},
		{Generation: 1, Who: before[0].Who, Spec: struct{ Concurrency int }{1}},
	}
	same := func(what string, got []revision) {
		t.Helper()
		if len(got) != len(want) {
			t.Fatalf("%s: %+v", what, got)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: %+v, want %+v", what, got[i], want[i])
			}
		}
	}
	same("before the restart", before)
	f2 := start(t, in(f.abandon(dir)), by(&askedProvider{}))
	same("after it", read(f2))
	if a := f2.do("PUT", "/v1/functions/fn", `{"image":"i","executionMode":"DEPLOYMENT","concurrency":4}`, "If-Match", `"3"`).expect(200); a.num("generation") != 4 {
		t.Errorf("the next generation: %s", a.body)
	}
	// A rollback to one that was restored says which it goes back to.
	f2.do("POST", "/v1/functions/fn:rollback", `{"generation":3}`).expect(200)
	f3 := start(t, in(f2.abandon(f2.s.cfg.DataDir)), by(&askedProvider{}))
	if got := read(f3); got[0].Generation != 5 || got[0].Restores != 1 || len(got) != 5 || !got[3].Failed {
		t.Errorf("after another life: %+v", got)
	}
}
