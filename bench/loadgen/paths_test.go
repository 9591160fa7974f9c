package loadgen

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// paths counts the requests to each path.
type paths struct {
	mu    sync.Mutex
	count map[string]int
	order []string
}

func (p *paths) handler(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	if p.count == nil {
		p.count = make(map[string]int)
	}
	p.count[r.URL.Path]++
	p.order = append(p.order, r.URL.Path)
	p.mu.Unlock()
	ok(w, r)
}

func spread(t *testing.T, url string, n int, how string) Target {
	t.Helper()
	target, err := URLTarget(Defaults{}, url+"/f-{n}").Spread(n, how)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

// The open loop's sequence is that of its seed, whichever connections are free:
// the same requests, however often each.
func TestSameSeedSamePathsInAnOpenLoop(t *testing.T) {
	load := func(seed uint64) map[string]int {
		var seen paths
		o := options(serve(t, seen.handler))
		o.Targets[0] = spread(t, o.Targets[0].URL, 50, "zipf")
		o.Seed, o.Rate, o.Duration = seed, 1000, 300*time.Millisecond
		if r := mustRun(t, o); r.OK != 300 || len(r.Targets) != 1 || r.Targets[0].Latency.Count != 300 {
			t.Errorf("%d ok, targets %+v", r.OK, r.Targets)
		}
		return seen.count
	}
	a, b, other := load(1), load(1), load(2)
	if !maps.Equal(a, b) {
		t.Errorf("one seed gave %v and %v", a, b)
	}
	if maps.Equal(a, other) {
		t.Errorf("two seeds gave %v", a)
	}
	if a["/f-0"] < 40 || a["/f-0"] > 100 { // a share of 0.22
		t.Errorf("the first was asked for %d times of 300", a["/f-0"])
	}
}

func TestOneConnectionOfAClosedLoopRepeatsItsPaths(t *testing.T) {
	load := func() []string {
		var seen paths
		o := options(serve(t, seen.handler))
		o.Targets[0], o.Connections = spread(t, o.Targets[0].URL, 20, ""), 1
		mustRun(t, o)
		return seen.order
	}
	a, b := load(), load()
	n := min(len(a), len(b))
	if n < 20 || strings.Join(a[:n], " ") != strings.Join(b[:n], " ") {
		t.Errorf("%d requests in common:\n%q\n%q", n, a[:n], b[:n])
	}
}

func TestPathsFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "paths")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var seen paths
	url := serve(t, seen.handler)
	write("# paths\n/often 9\n\n  " + url + "/seldom\n")
	target, err := ParseTarget("weight=2,name=both,paths-file="+file, Defaults{Server: url + "/"})
	if err != nil {
		t.Fatal(err)
	}
	if target.Name != "both" || target.Weight != 2 || target.Method != "GET" {
		t.Errorf("target %+v", target)
	}
	o := options(url)
	o.Targets, o.Rate = []Target{target}, 1000
	mustRun(t, o)
	if often, seldom := seen.count["/often"], seen.count["/seldom"]; often+seldom != 200 || seldom < 5 || seldom > 45 {
		t.Errorf("%d and %d requests, want shares of 9 and 1", often, seldom)
	}
	for text, says := range map[string]string{
		"": "no path", "/a x": "line 1", "/a 0": "line 1", "/a\n/b -1": "line 2", "/a 1 2": "line 1", "nonsense": "nonsense",
		"/a\nhttp://other.test/b": "not of http://", "/a 1e999": "line 1", "/a Inf": "weight",
	} {
		write(text)
		if _, err := PathsTarget(Defaults{Server: url}, file); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: error %v does not say %q", text, err, says)
		}
	}
}

func TestSpreadTargets(t *testing.T) {
	target, err := ParseTarget("name=f-{n},mode=enqueue,functions=3,spread=zipf", local)
	if err != nil || len(target.Paths.URLs) != 3 || target.Paths.URLs[2] != "http://127.0.0.1:8080/v1/functions/f-2:enqueue" {
		t.Errorf("%+v, %v", target.Paths, err)
	}
	for text, says := range map[string]string{
		"name=f,functions=3": "{n}", "name=f-{n},functions=0": "functions", "name=f-{n},functions=x": "functions",
		"name=f-{n},functions=100001": "functions", "name=f-{n},functions=3,spread=odd": "odd", "name=f-{n},spread=zipf": "functions",
		"url=http://h/,paths-file=x": "excludes", "paths-file=/does/not/exist": "/does/not/exist",
	} {
		if _, err := ParseTarget(text, local); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: error %v does not say %q", text, err, says)
		}
	}
}
