package corebench

import (
	"context"
	"strings"
	"testing"
	"time"

	"simplane/core"
)

func quick() Options {
	return Options{Cases: Cases(), Goroutines: []int{1, 4}, Sizes: []int{1000}, Duration: 20 * time.Millisecond, Rounds: 1, Expiry: true}
}

// Every case must measure what it says: a rejection that is not one, or a
// cycle that fails, would give a splendid figure.
func TestEveryCaseDoesWhatItSays(t *testing.T) {
	res, err := Run(t.Context(), quick(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := 2 * len(Cases()); len(res.Rows) != want {
		t.Errorf("%d rows, want %d", len(res.Rows), want)
	}
	for _, r := range res.Rows {
		if r.Unexpected != 0 || r.OpsPerSecond <= 0 || r.Latency.Count == 0 {
			t.Errorf("%s with %d goroutines: %d unexpected, %.0f ops/s, %d samples", r.Case, r.Goroutines, r.Unexpected, r.OpsPerSecond, r.Latency.Count)
		}
	}
	if len(res.Expiry) != 1 || res.Expiry[0].NanosPerRecord <= 0 || res.Expiry[0].Sweeps == 0 || res.Expiry[0].Quiet.Count == 0 {
		t.Errorf("expiry %+v", res.Expiry)
	}
}

func TestMeasureCountsUnexpectedCalls(t *testing.T) {
	n := 0
	r := measure(func(int) bool { n++; return n%4 != 0 }, 1, 5*time.Millisecond)
	if r.ops != int64(n) || r.bad != int64(n/4) {
		t.Errorf("%d calls: counted %d, bad %d", n, r.ops, r.bad)
	}
}

var sink []byte

func TestMeasureCountsAllocations(t *testing.T) {
	r := measure(func(int) bool { sink = make([]byte, 1024); return true }, 1, 20*time.Millisecond)
	if per := float64(r.bytes) / float64(r.ops); per < 1024 || per > 1400 {
		t.Errorf("1 KiB for each call was measured as %.0f bytes", per)
	}
}

func TestIDsAreWhatFillStores(t *testing.T) {
	c, ids, err := stored(100)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[core.ID]bool{}
	for n, id := range ids {
		if _, ok := c.Execution(id); !ok || seen[id] {
			t.Fatalf("id %d is missing or not unique", n)
		}
		seen[id] = true
	}
}

func TestSelectAndValidate(t *testing.T) {
	got, err := Select([]string{"cycle-sync", "lookup"})
	if err != nil || len(got) != 2 || got[0].Name != "lookup" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := Select([]string{"magic"}); err == nil || !strings.Contains(err.Error(), "cycle-sync") {
		t.Errorf("an unknown case gives %v", err)
	}
	for says, change := range map[string]func(*Options){
		"goroutines": func(o *Options) { o.Goroutines = []int{0} }, "size": func(o *Options) { o.Sizes = []int{MaxSize + 1} },
		"duration": func(o *Options) { o.Duration = 0 }, "rounds": func(o *Options) { o.Rounds = 0 },
	} {
		o := quick()
		change(&o)
		if _, err := Run(t.Context(), o, nil); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if res, err := Run(ctx, quick(), nil); err != nil || !res.Interrupted || len(res.Rows) != 0 {
		t.Errorf("a cancelled run: %+v, %v", res, err)
	}
}
