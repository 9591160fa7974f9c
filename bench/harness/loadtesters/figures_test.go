package main

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestTruth(t *testing.T) {
	for p, want := range map[float64]float64{0.5: 0, 0.9: 0, 0.95: 100, 0.99: 180, 1: 200} {
		if got := truth(p); math.Abs(got-want) > 1e-6 {
			t.Errorf("at %v: %v, want %v", p, got, want)
		}
	}
}

func TestReadWrk(t *testing.T) {
	f, err := readWrk([]byte(`Running 1s test @ http://127.0.0.1:8080/
  1 threads and 2 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   748.97us    2.46ms  26.21ms   93.33%
    Req/Sec    34.15k    18.12k   49.47k    80.00%
  Latency Distribution
     50%   38.00us
     75%   60.00us
     90%    2.07ms
     99%   13.38ms
  33944 requests in 1.00s, 4.56MB read
  Socket errors: connect 0, read 1, write 0, timeout 2
Requests/sec:  33870.20
Transfer/sec:      4.55MB
`))
	if want := (figures{Requests: 33944, Errors: 3, P50: 0.038, P99: 13.38, Max: 26.21}); err != nil || math.Abs(f.P50-want.P50) > 1e-9 || math.Abs(f.P99-want.P99) > 1e-9 || f.Max != want.Max || f.Requests != want.Requests || f.Errors != want.Errors {
		t.Errorf("%+v, %v, want %+v", f, err, want)
	}
	if _, err := readWrk([]byte("unable to connect")); err == nil {
		t.Error("nonsense was read")
	}
}

func TestTableOfRuns(t *testing.T) {
	o := options{rate: 10, connections: 2, rounds: 2, duration: 2 * time.Second}
	got := render(o, []tester{{name: "a", loop: "open"}}, []measurement{
		{"a", 0, figures{Requests: 20, P50: 1, P99: 180}}, {"a", 1, figures{Requests: 20, P50: 3, P99: 182}}, {"b", 0, figures{P50: 9}},
	})
	for _, want := range []string{"| a | open | 20 | 0 | 2.00 (1.00 to 3.00) | - | 181.0 (180.0 to 182.0) |", "| 20 | 0 | 0 | 100 | 180 | 200 |"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
