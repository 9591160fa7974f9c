package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func view(t *testing.T, text string) seen {
	t.Helper()
	var s seen
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// The ledger must notice what the soak is there to find.
func TestLedgerNotices(t *testing.T) {
	f := &function{name: "f", spec: map[string]any{}}
	ok := job{N: 5, Do: doOK}
	queued, success := `{"executionId":"a","status":"queued"}`, `{"executionId":"a","status":"success","output":{"n":5}}`
	for _, tc := range []struct {
		what  string
		do    func(*ledger)
		found string // "" for nothing
	}{
		{"all is well", func(l *ledger) {
			l.accept(f, ok, "a", false)
			l.look(view(t, queued), time.Now())
			l.look(view(t, success), time.Now())
			l.look(view(t, `{"executionId":"a","status":"success","cleanedUp":true}`), time.Now())
		}, ""},
		{"an older view that arrives late", func(l *ledger) {
			l.accept(f, ok, "a", false)
			asked := time.Now()
			l.look(view(t, success), time.Now())
			l.look(view(t, queued), asked)
		}, ""},
		{"an end that is taken back", func(l *ledger) {
			l.accept(f, ok, "a", false)
			l.look(view(t, success), time.Now())
			l.look(view(t, queued), time.Now())
		}, "ended twice"},
		{"two ends", func(l *ledger) {
			l.accept(f, ok, "a", false)
			l.look(view(t, success), time.Now())
			l.look(view(t, `{"executionId":"a","status":"timeout"}`), time.Now())
		}, "ended twice"},
		{"another output", func(l *ledger) {
			l.accept(f, ok, "a", false)
			l.look(view(t, success), time.Now())
			l.look(view(t, `{"executionId":"a","status":"success","output":{"n":6}}`), time.Now())
		}, "ended twice"},
		{"another job's output", func(l *ledger) {
			l.accept(f, ok, "a", false)
			l.look(view(t, `{"executionId":"a","status":"success","output":{"n":6}}`), time.Now())
		}, "asked to ok, ended as"},
		{"an error nobody asked for", func(l *ledger) {
			l.accept(f, ok, "a", false)
			l.look(view(t, `{"executionId":"a","status":"error","error":{"code":"POOL_ERROR"}}`), time.Now())
		}, "asked to ok, ended as"},
		{"success of a job that must fail", func(l *ledger) {
			l.accept(f, job{N: 5, Do: doFail}, "a", false)
			l.look(view(t, success), time.Now())
		}, "asked to fail, ended as"},
		{"one id for two requests", func(l *ledger) {
			l.accept(f, ok, "a", false)
			l.accept(f, job{N: 6, Do: doOK}, "a", false)
		}, "given to two requests"},
		{"one id for two keys", func(l *ledger) {
			l.accept(f, ok, "a", true)
			l.accept(f, job{N: 6, Do: doOK}, "a", true)
		}, "given to job"},
		{"a stranger's id", func(l *ledger) { l.look(view(t, success), time.Now()) }, "never given"},
	} {
		l := newLedger()
		tc.do(l)
		all := strings.Join(l.violations, "\n")
		if tc.found == "" && all != "" || !strings.Contains(all, tc.found) {
			t.Errorf("%s: noted %q, want %q", tc.what, all, tc.found)
		}
	}
	l := newLedger()
	l.accept(f, ok, "a", false)
	if len(l.unfinished()) != 1 {
		t.Error("a lost execution went unnoticed")
	}
}

func TestFlatnessSeesALeakThroughNoise(t *testing.T) {
	noisy := func(slope float64) []reading {
		var all []reading
		for i := range 300 {
			v := 100e6 + slope*float64(i)
			v += float64(i%7) * 10e6 // until a collection
			all = append(all, reading{At: float64(i), Goroutines: 50, Files: 20, Memory: v, Heap: v})
		}
		return all
	}
	for _, tc := range []struct {
		slope float64
		flat  bool
	}{{0, true}, {10e3, true}, {200e3, false}, {-100e3, true}} {
		v := &vitals{readings: noisy(tc.slope)}
		memory := v.trends(10 * time.Second)[2]
		if memory.flat() != tc.flat {
			t.Errorf("%.0f bytes/s: %s; flat %v, want %v", tc.slope, memory, memory.flat(), tc.flat)
		}
	}
}

func TestParseSamples(t *testing.T) {
	s := parseSamples("# HELP a b\n# TYPE a counter\na 3\nb{function=\"x\"} 1.5e+06\nh_bucket{function=\"x\",le=\"+Inf\"} 7\n")
	if s["a"] != 3 || s.of("b", "x") != 1.5e6 || len(s) != 3 {
		t.Errorf("parsed %v", s)
	}
}
