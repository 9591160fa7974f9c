package report

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"simplane/bench/compare"
	"simplane/bench/corebench"
	"simplane/bench/latency"
	"simplane/bench/loadgen"
	"simplane/bench/machine"
	"simplane/bench/ratio"
)

func document(t *testing.T) (*Document, loadgen.Histograms) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<script>alert(1)</script>")
	}))
	t.Cleanup(srv.Close)
	target := loadgen.URLTarget(loadgen.Defaults{}, srv.URL)
	target.ExpectBody = "fine"
	second := target
	second.ExpectBody = ""
	res, h, err := loadgen.Run(context.Background(), loadgen.Options{
		Targets: []loadgen.Target{target, second}, Connections: 2, Rate: 500, Arrival: "poisson",
		Warmup: 20 * time.Millisecond, Duration: 300 * time.Millisecond, Timeout: time.Second, FullHistograms: true,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Document{
		Schema: Schema, Kind: "http", Command: "simplane bench http", Started: time.Unix(1e9, 0).UTC(),
		Machine: machine.Read(), Settings: map[string]string{"rate": "500"}, Misses: []string{"too <slow>"}, HTTP: res,
	}, h
}

func TestJSONRoundTrip(t *testing.T) {
	d, h := document(t)
	dir := filepath.Join(t.TempDir(), "new", "dir")
	if err := Write(dir, d, h); err != nil {
		t.Fatal(err)
	}
	back, err := Load(filepath.Join(dir, "result.json"))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, d) {
		a, _ := json.Marshal(d)
		b, _ := json.Marshal(back)
		t.Errorf("read back differs:\n%s\n%s", a, b)
	}
	for _, name := range []string{"report.html", "latency.hgrm", "service.hgrm"} {
		if st, err := os.Stat(filepath.Join(dir, name)); err != nil || st.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLoadRejects(t *testing.T) {
	for _, text := range []string{"", "{", `{"schema":"other/9"}`} {
		path := filepath.Join(t.TempDir(), "x.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

var outside = regexp.MustCompile(`(?i)(src|href)\s*=|url\(|@import|<script`)

func TestPagesAreSelfContainedAndEscaped(t *testing.T) {
	plain, _ := document(t)
	search := *plain
	search.HTTP, search.Search = nil, &loadgen.SearchResult{
		Limits: []string{"p99=5ms"}, Rate: 100, Ceiling: 200,
		Steps: []loadgen.SearchStep{{Rate: 100, Pass: true, Result: plain.HTTP}, {Rate: 200, Misses: []string{"<b>slow"}, Result: plain.HTTP}},
	}
	comparison := *plain
	est := ratio.Estimate{Ratio: 0.5, Low: 0.4, High: 0.6, Confidence: 0.95, Pairs: 3}
	phase := func(connections int, withheld string) compare.Phase {
		return compare.Phase{
			Connections: connections, Name: "closed loop", Withheld: withheld,
			Rounds:   []compare.Round{{A: compare.Sample{Throughput: 1, P50Ms: 1, P99Ms: 2}, B: compare.Sample{Throughput: 2, P50Ms: 2, P99Ms: 4, ServerCores: -1}}},
			Rows:     []compare.Row{{Figure: "throughput", Name: "throughput", Unit: "/s", Higher: true, A: 1, B: 2, Ratio: &est}},
			LatencyA: plain.HTTP.Latency, LatencyB: plain.HTTP.Service,
		}
	}
	comparison.HTTP, comparison.Compare = nil, &compare.Result{
		A: "<a>", B: "b", Method: ratio.Method, Phases: []compare.Phase{phase(2, ""), phase(64, "no <core> left")},
	}
	engine := *plain
	engine.HTTP, engine.Core = nil, &corebench.Result{
		Rows: []corebench.Row{
			{Case: "cycle-x", What: "a <cycle>", Goroutines: 1, OpsPerSecond: 1e6, Slowest: 9e5, Fastest: 11e5},
			{Case: "cycle-x", What: "a <cycle>", Goroutines: 2, OpsPerSecond: 15e5, Slowest: 14e5, Fastest: 16e5},
			{Case: "lookup", What: "one", Goroutines: 1, Size: 1000, OpsPerSecond: 5e6, Slowest: 5e6, Fastest: 5e6},
		},
		Expiry: []corebench.Expiry{{Size: 1000, NanosPerRecord: 123, BytesPerRecord: 456}},
	}
	for name, c := range map[string]struct {
		d    *Document
		says []string
		svgs int
	}{
		"http":    {plain, []string{"body without the expected text", "&lt;script&gt;", "too &lt;slow&gt;", "Latency by percentile", "Throughput"}, 3},
		"search":  {&search, []string{"100/s keeps p99=5ms (200/s does not)", "&lt;b&gt;slow"}, 1},
		"compare": {&comparison, []string{"0.400 to 0.600 (95%)", "b is better than &lt;a&gt; by a factor of 2.00", "<h2>2 connections", "<h2>64 connections", "saturated: no &lt;core&gt; left", "0.50 (0.40–0.60)", "unknown"}, 5},
		"core":    {&engine, []string{"a &lt;cycle&gt;", "1.50M", "1.50<", "123 ns", "456 B"}, 2},
	} {
		var buf bytes.Buffer
		if err := c.d.HTML(&buf); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		html := buf.String()
		for _, want := range c.says {
			if !strings.Contains(html, want) {
				t.Errorf("%s: page does not say %q", name, want)
			}
		}
		if hit := outside.FindString(html); hit != "" {
			t.Errorf("%s: page reaches outside or is not escaped: %q", name, hit)
		}
		if got := strings.Count(html, "<svg "); got != c.svgs {
			t.Errorf("%s: %d drawings, want %d", name, got, c.svgs)
		}
		if strings.Contains(html, "NaN") {
			t.Errorf("%s: page shows NaN", name)
		}
	}
}

func TestComparisonAsText(t *testing.T) {
	est := ratio.Estimate{Ratio: 0.5, Low: 0.4, High: 0.6, Confidence: 0.95, Pairs: 3}
	row := compare.Row{Figure: "p99", Name: "latency p99", Unit: "ms", A: 1, B: 2, Ratio: &est}
	d := Document{Compare: &compare.Result{A: "one", B: "two", Phases: []compare.Phase{
		{Connections: 2, Name: "closed loop", Rows: []compare.Row{row}},
		{Connections: 64, Name: "closed loop", Rows: []compare.Row{row}, Withheld: "too busy"},
		{Connections: 64, Name: "open loop", Rate: 7, Rows: []compare.Row{row}},
	}}}
	var buf bytes.Buffer
	if err := d.Text(&buf); err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(` +`).ReplaceAllString(buf.String(), " ")
	for _, want := range []string{
		"2 connections, closed loop\n", "64 connections, open loop\n", "one is better than two by a factor of 2.00", "verdict withheld, saturated: too busy\n",
		"A/B in the closed loop, by connections\nconnections p99 verdict\n2 0.50 (0.40–0.60) given\n64 0.50 (0.40–0.60) withheld\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestCommandHidesHeaderValues(t *testing.T) {
	got := Command([]string{"simplane", "bench", "--header", "Authorization: Bearer s3cret", "--header=X-Key: s3cret", "--body", `{"a":1}`, ""})
	if strings.Contains(got, "s3cret") || !strings.Contains(got, "Authorization: ...") || !strings.Contains(got, `'{"a":1}'`) {
		t.Errorf("got %s", got)
	}
}

func TestTexts(t *testing.T) {
	for got, want := range map[string]string{
		msText(0.0123): "12.3 µs", msText(1.5): "1.50 ms", msText(250): "250 ms",
		rateText(12345.6): "12346/s", rateText(1.5): "1.50/s",
		summaryRow("x", latency.Summary{Count: 3})[1]: "3",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
