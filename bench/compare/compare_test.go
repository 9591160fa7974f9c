package compare

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"simplane/bench/baseline"
	"simplane/bench/latency"
	"simplane/bench/loadgen"
)

// The test binary doubles as the servers Launch starts: as a yardstick and as
// a stand-in for `simplane serve` that knows the few calls the harness makes.
func TestMain(m *testing.M) {
	args := os.Args[1:]
	switch {
	case len(args) == 3 && args[0] == "yardstick":
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			os.Exit(1)
		}
		fmt.Println("listening on", l.Addr())
		_ = baseline.Serve(context.Background(), args[1], args[2], l)
	case len(args) > 0 && args[0] == "serve":
		standIn(args)
	default:
		os.Exit(m.Run())
	}
}

func standIn(args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil || !slices.Contains(args, "--rate-max-per-second") {
		os.Exit(1)
	}
	spec := make(map[string]any)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/functions", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewDecoder(r.Body).Decode(&spec)
		w.WriteHeader(http.StatusCreated)
	})
	mux.HandleFunc("POST /v1/functions/bench:invoke", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"executionId":"x","status":"success","output":%q}`, spec["executionMode"])
	})
	mux.HandleFunc("POST /function/bench", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /v1/functions/bench:enqueue", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"executionId":"x","status":"queued"}`)
	})
	fmt.Printf("simplane ready api=%s mgmt=%s\n", l.Addr(), l.Addr())
	_ = http.Serve(l, mux) // #nosec G114 -- a test
}

func launcher() *Launcher {
	return &Launcher{
		Executable:   os.Args[0],
		BaselineArgs: func(kind, backend string) []string { return []string{"yardstick", kind, backend} },
	}
}

func quick() Options {
	return Options{
		Rounds: 3, Round: 60 * time.Millisecond, Warmup: 10 * time.Millisecond, Connections: []int{2},
		Timeout: 5 * time.Second, Confidence: 0.95,
	}
}

func server(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

func fine(http.ResponseWriter, *http.Request) {}

// known answers with figures instead of measuring: side "fast" or "slow", with
// the given reasons of saturation in each of the slow side's rounds.
func known(saturated ...string) measurer {
	return func(_ context.Context, s *Subject, o loadgen.Options) (measurement, error) {
		m := measurement{ok: 100, latency: latency.NewHistogram(), Sample: Sample{
			Throughput: 1000, ServerCPUMicros: 10, P50Ms: 1, P99Ms: 2, P999Ms: 3, MaxMs: 4,
		}}
		m.latency.Record(1e6)
		if s.Name == "slow" {
			m.Throughput, m.ServerCPUMicros = 500, 20
			m.P50Ms, m.P99Ms, m.P999Ms, m.MaxMs = 2, 4, 6, 8
			m.Saturated = saturated
		}
		return m, nil
	}
}

func compareKnown(t *testing.T, o Options, m measurer) *Result {
	t.Helper()
	res, err := run(context.Background(), &Subject{Name: "fast"}, &Subject{Name: "slow"}, o, nil, m)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestRunReportsEachNumberOfConnections(t *testing.T) {
	o := quick()
	o.Rounds, o.OpenFraction, o.Connections = 5, 0.5, []int{2, 64}
	var rates []float64
	seen := make(map[int]int)
	m := known()
	res := compareKnown(t, o, func(ctx context.Context, s *Subject, o loadgen.Options) (measurement, error) {
		seen[o.Connections]++
		rates = append(rates, o.Rate)
		return m(ctx, s, o)
	})
	// Two phases of five pairs and one that is thrown away.
	if want := map[int]int{2: 24, 64: 24}; !maps.Equal(seen, want) {
		t.Errorf("measurements by connections %v, want %v", seen, want)
	}
	if rates[0] != 0 || rates[12] != 250 {
		t.Errorf("rates %v: want a closed loop, then half of the slower side's throughput", rates)
	}
	if len(res.Phases) != 4 || res.ErrorShare != 0 || len(res.Findings) != 0 {
		t.Fatalf("phases %d, error share %v, findings %q", len(res.Phases), res.ErrorShare, res.Findings)
	}
	var orders []string
	for _, r := range res.Phases[0].Rounds {
		orders = append(orders, r.Order)
	}
	if got := strings.Join(orders, " "); got != "AB BA AB BA AB" {
		t.Errorf("order %s", got)
	}
	for i, p := range res.Phases {
		if want := o.Connections[i/2]; p.Connections != want || (p.Rate > 0) != (i%2 == 1) || p.LatencyA.Count != 5 || p.LatencyB.Count != 5 {
			t.Errorf("phase %d: %d connections, rate %v, latencies %d and %d", i, p.Connections, p.Rate, p.LatencyA.Count, p.LatencyB.Count)
		}
		var figures []string
		for _, row := range p.Rows {
			figures = append(figures, row.Figure)
			want := 0.5
			if row.Higher {
				want = 2
			}
			if row.Ratio == nil || math.Abs(row.Ratio.Ratio-want) > 1e-9 || p.Verdict(row, "fast", "slow") != "fast is better than slow by a factor of 2.00" {
				t.Errorf("%s, %s: %+v (%s)", p.Title(), row.Name, row.Ratio, p.Verdict(row, "fast", "slow"))
			}
		}
		if want := Figures()[i%2:]; !slices.Equal(figures, want) {
			t.Errorf("%s: figures %q, want %q", p.Title(), figures, want)
		}
	}
}

func TestSaturatedRunGivesNoVerdict(t *testing.T) {
	o := quick()
	o.Rounds = 10
	res := compareKnown(t, o, known(clientFull))
	p := res.Phases[0]
	if !strings.Contains(p.Withheld, clientFull+" in 0 rounds of A and 10 of B, of 10") {
		t.Errorf("withheld: %q", p.Withheld)
	}
	for _, row := range p.Rows {
		if got := p.Verdict(row, "fast", "slow"); got != "withheld: saturated" || row.Ratio == nil {
			t.Errorf("%s: %q, ratio %v", row.Name, got, row.Ratio)
		}
	}
	if len(res.Findings) != 1 || !strings.HasSuffix(res.Findings[0], "no verdict") {
		t.Errorf("findings %q", res.Findings)
	}
	e, err := ParseExpectation("throughput>=0.5")
	if err != nil {
		t.Fatal(err)
	}
	if got := res.Misses([]Expectation{e}); len(got) != 1 || !strings.Contains(got[0], "not judged") {
		t.Errorf("an expectation of a saturated run: %q", got)
	}

	// One round in ten is told and left out.
	n := 0
	bad := known(stolen)
	res = compareKnown(t, o, func(ctx context.Context, s *Subject, o loadgen.Options) (measurement, error) {
		m, err := bad(ctx, s, o)
		if n++; n != 8 {
			m.Saturated = nil
		}
		return m, err
	})
	if p := res.Phases[0]; p.Withheld != "" || len(res.Findings) != 1 || !strings.Contains(res.Findings[0], stolen) || !strings.HasSuffix(res.Findings[0], "without these rounds") {
		t.Errorf("withheld %q, findings %q", p.Withheld, res.Findings)
	}
	if p := res.Phases[0]; len(p.Rounds) != 10 || p.Rows[0].Ratio == nil || p.Rows[0].Ratio.Pairs != 9 {
		t.Errorf("%d rounds, and judged by %+v", len(p.Rounds), p.Rows[0].Ratio)
	}
}

func TestSaturation(t *testing.T) {
	idle := Sample{Throughput: 1000, P99Ms: 1, ClientCores: 0.5, ServerCores: 0.9, MachineBusy: 0.7}
	for name, c := range map[string]struct {
		change func(*Sample)
		rate   float64
		cores  float64
		want   []string
	}{
		"idle":                                   {func(*Sample) {}, 0, 2, nil},
		"client full, server not":                {func(s *Sample) { s.ClientCores = 1 }, 0, 2, []string{clientFull}},
		"both full on two cores":                 {func(s *Sample) { s.ClientCores, s.ServerCores = 1, 1 }, 0, 2, nil},
		"both full, but there are more cores":    {func(s *Sample) { s.ClientCores, s.ServerCores = 1, 1 }, 0, 8, []string{clientFull}},
		"client full, server unknown":            {func(s *Sample) { s.ClientCores, s.ServerCores = 1, -1 }, 0, 2, []string{clientFull}},
		"client full, unknown on a full machine": {func(s *Sample) { s.ClientCores, s.ServerCores, s.MachineBusy = 1, -1, 1 }, 0, 2, nil},
		"others, and idle cores":                 {func(s *Sample) { s.OtherCores = 0.5 }, 0, 2, nil},
		"others on a full machine":               {func(s *Sample) { s.OtherCores, s.MachineBusy = 0.5, 0.99 }, 0, 2, []string{othersBusy}},
		"a little of others on a full machine":   {func(s *Sample) { s.OtherCores, s.MachineBusy = 0.05, 0.99 }, 0, 2, nil},
		"steal":                                  {func(s *Sample) { s.Steal = 0.1 }, 0, 2, []string{stolen}},
		"late, closed loop":                      {func(s *Sample) { s.LateP99Ms = 5 }, 0, 2, nil},
		"late":                                   {func(s *Sample) { s.LateP99Ms = 5 }, 1000, 2, []string{lateArrival}},
		"late, but little of the latency":        {func(s *Sample) { s.LateP99Ms, s.P99Ms = 5, 100 }, 1000, 2, nil},
		"rate missed":                            {func(*Sample) {}, 1100, 2, []string{rateMissed}},
		"unsent":                                 {func(s *Sample) { s.Unsent = 1 }, 1000, 2, []string{rateMissed}},
	} {
		s := idle
		c.change(&s)
		if got := s.saturation(c.rate, c.cores); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestExpectations(t *testing.T) {
	o := quick()
	o.Connections = []int{2, 64}
	res := compareKnown(t, o, known())
	for text, misses := range map[string]int{
		"throughput>=2": 0, "throughput>=2.01": 2, "throughput @64 >= 2.01": -1, "throughput@64>=2.01": 1, "throughput<=1.9": 2,
		"cpu<=0.5": 0, "p50<=0.6": 0, "p99@2,64<=0.4": 2, "p99.9<=0.5": 0, "max>=0.6": 2,
		"p98<=1": -1, "p99<1": -1, "p99<=x": -1, "p99<=0": -1, "p99@many<=1": -1, "p99@16<=1": -1, "": -1,
	} {
		e, err := ParseExpectation(text)
		if err == nil {
			err = e.Validate(o)
		}
		if (err != nil) != (misses < 0) {
			t.Errorf("%q: %v", text, err)
		}
		if err != nil {
			continue
		}
		if got := res.Misses([]Expectation{e}); len(got) != misses {
			t.Errorf("%q: %d misses %q, want %d", text, len(got), got, misses)
		}
	}
}

func TestLaunchEverySubject(t *testing.T) {
	for _, name := range SubjectNames() {
		s, err := launcher().Launch(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		o := quick()
		var res *loadgen.Result
		for again := true; again; again = err == nil && res.OK+res.Failed == 0 { // on a busy machine a round may end before an answer
			res, _, err = loadgen.Run(t.Context(), o.load(s.Target, 2, 0, 0), nil)
		}
		s.Stop()
		if err != nil || res.OK == 0 || res.Failed != 0 {
			t.Errorf("%s: %v, ok %d, failures %+v", name, err, res.OK, res.Failures)
		}
		for _, p := range append(s.helpers, s.server) {
			select {
			case <-p.Done():
			default:
				t.Errorf("%s: Stop left %s running", name, p.Name)
			}
		}
	}
	if _, err := launcher().Launch(t.Context(), "magic"); err == nil || !strings.Contains(err.Error(), SimplaneInvoke) {
		t.Errorf("an unknown subject gives %v", err)
	}
}

func TestFailuresAreCountedAgainstTheSide(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(srv.Close)
	l := launcher()
	res, err := Run(context.Background(), l.FromURL(server(t, fine)), l.FromURL(srv.URL), quick(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.ErrorShare != 1 || len(res.Findings) == 0 || !strings.Contains(res.Findings[0], "404") {
		t.Errorf("error share %v, findings %q", res.ErrorShare, res.Findings)
	}
	if row := res.Phases[0].Rows[0]; row.Ratio != nil || row.Problem == "" {
		t.Errorf("a throughput of nothing was compared: %+v", row)
	}
}

func TestServerCPUNeedsBothSides(t *testing.T) {
	one := Sample{Throughput: 1, P50Ms: 1, P99Ms: 1, P999Ms: 1, MaxMs: 1}
	known := one
	known.ServerCPUMicros = 5
	rounds := []Round{{A: known, B: one}}
	for _, row := range rows(rounds, 0, 0.95) {
		if strings.Contains(row.Name, "CPU") {
			t.Errorf("compared %+v", row)
		}
	}
}

func TestValidate(t *testing.T) {
	if err := quick().Validate(); err != nil {
		t.Fatal(err)
	}
	for says, change := range map[string]func(*Options){
		"rounds":        func(o *Options) { o.Rounds = 2 },
		"fraction":      func(o *Options) { o.OpenFraction = 1.5 },
		"confidence":    func(o *Options) { o.Confidence = 95 },
		"connections":   func(o *Options) { o.Connections = nil },
		"connections 0": func(o *Options) { o.Connections = []int{2, 0} },
		"given twice":   func(o *Options) { o.Connections = []int{2, 4, 2} },
		"1 to 16":       func(o *Options) { o.Connections = make([]int, 17) },
		"duration":      func(o *Options) { o.Round = 0 },
	} {
		o := quick()
		change(&o)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}
