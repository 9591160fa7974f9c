package compare

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
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
		Rounds: 3, Round: 60 * time.Millisecond, Warmup: 10 * time.Millisecond, Connections: 2,
		Timeout: 5 * time.Second, Confidence: 0.95,
	}
}

func sleeper(t *testing.T, d time.Duration) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(d) }))
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestRunSeesAKnownDifference(t *testing.T) {
	l := launcher()
	a, b := l.FromURL(sleeper(t, 5*time.Millisecond)), l.FromURL(sleeper(t, 20*time.Millisecond))
	a.Name, b.Name = "fast", "slow"
	o := quick()
	o.Rounds, o.Round, o.OpenFraction = 5, 100*time.Millisecond, 0.5
	res, err := Run(context.Background(), a, b, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Phases) != 2 || len(res.Phases[0].Rounds) != 5 || res.ErrorShare != 0 {
		t.Fatalf("phases %d, error share %v, findings %q", len(res.Phases), res.ErrorShare, res.Findings)
	}
	var orders []string
	for _, r := range res.Phases[0].Rounds {
		orders = append(orders, r.Order)
	}
	if got := strings.Join(orders, " "); got != "AB BA AB BA AB" {
		t.Errorf("order %s", got)
	}
	for _, p := range res.Phases {
		for _, row := range p.Rows {
			// p99 of so few requests is the machine's noise.
			if row.Name == "latency p99" {
				continue
			}
			if row.Ratio == nil || !row.Ratio.Differs() || !strings.HasPrefix(row.Verdict("fast", "slow"), "fast is better than slow") {
				t.Errorf("%s, %s: %+v (%s)", p.Name, row.Name, row.Ratio, row.Verdict("fast", "slow"))
			}
		}
	}
	if half := res.Phases[1].Rate / res.Phases[0].Rows[0].B; math.Abs(half-0.5) > 1e-9 {
		t.Errorf("the open loop ran at %v of the slower side", half)
	}
}

func TestLaunchEverySubject(t *testing.T) {
	for _, name := range SubjectNames() {
		s, err := launcher().Launch(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		o := quick()
		res, _, err := loadgen.Run(t.Context(), o.load(s.Target, 0, 0), nil)
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
	res, err := Run(context.Background(), l.FromURL(sleeper(t, 0)), l.FromURL(srv.URL), quick(), nil)
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
	rounds := []Round{{A: Sample{1, 1, 1, 0, 0, 5, false}, B: Sample{1, 1, 1, 0, 0, 0, false}}}
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
		"rounds":      func(o *Options) { o.Rounds = 2 },
		"fraction":    func(o *Options) { o.OpenFraction = 1.5 },
		"confidence":  func(o *Options) { o.Confidence = 95 },
		"connections": func(o *Options) { o.Connections = 0 },
		"duration":    func(o *Options) { o.Round = 0 },
	} {
		o := quick()
		change(&o)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}
