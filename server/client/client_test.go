package client

import (
	"context"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAddressesOfServers(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:8080": "http://127.0.0.1:8080", "http://h/": "http://h", "https://h/prefix/": "https://h/prefix", "[::1]:80": "http://[::1]:80",
		"": "", "ftp://h": "", "http://": "", "http://h?x=1": "", "http://h#x": "", "http://a b": "",
	} {
		c, err := New(address, "")
		switch {
		case want == "" && err == nil:
			t.Errorf("%q was taken as %s", address, c.Base())
		case want != "" && (err != nil || c.Base() != want):
			t.Errorf("%q: %v %v, want %s", address, c, err, want)
		}
	}
}

// What is no answer of simplane's API is quoted, shortened.
func TestAnswersOfOthersAreQuoted(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   []string
	}{
		{502, "<html>\n<h1>Bad\tGateway</h1>" + strings.Repeat("x", 500), []string{"<html> <h1>Bad Gateway</h1>xxx", "…", "HTTP_502"}},
		{404, "", []string{"no body", "HTTP_404"}},
		{500, "\xff\xfe", []string{"?"}},
		{200, "<html>", []string{"cannot read the answer"}},
		{429, `{"error":"RATE_LIMITED","message":"too many"}`, []string{"too many (RATE_LIMITED); try again in 3 s"}},
		{400, `{"error":"VALIDATION_ERROR","message":"m","details":["a: b","c: d"]}`, []string{"a: b; c: d (VALIDATION_ERROR)"}},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "3")
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		}))
		cl, err := New(s.URL, "")
		if err != nil {
			t.Fatal(err)
		}
		_, err = cl.Functions(context.Background())
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 300 {
				t.Errorf("%d %.40q: %v, want %q", c.status, c.body, err, want)
			}
		}
		s.Close()
	}
}

func TestLatencyIsThatBetweenTwoReadings(t *testing.T) {
	read := func(counts ...string) Histograms {
		var b strings.Builder
		b.WriteString("# HELP x\nfunction_e2e_latency_ms_sum{function=\"f\"} 9\n")
		for i, le := range []string{"1", "2", "10", "+Inf"} {
			b.WriteString(`function_e2e_latency_ms_bucket{function="f",le="` + le + `"} ` + counts[i] + "\n")
		}
		return readHistograms([]byte(b.String()))
	}
	before := read("100", "100", "100", "100")
	for _, c := range []struct {
		now           Histograms
		p50, p90, p99 float64
	}{
		{read("200", "200", "200", "200"), 0.5, 0.9, 0.99},     // all within the first bucket
		{read("150", "200", "200", "200"), 1, 1.8, 1.98},       // half in each of two
		{read("100", "100", "100", "110"), 10, 10, 10},         // beyond the last bound
		{read("100", "190", "200", "200"), 1 + 50./90, 2, 9.2}, // an uneven share
	} {
		l := c.now.Between(before, "f")
		if l == nil || math.Abs(l.P50-c.p50) > 1e-9 || math.Abs(l.P90-c.p90) > 1e-9 || math.Abs(l.P99-c.p99) > 1e-9 {
			t.Errorf("%v: %+v, want %v %v %v", c.now, l, c.p50, c.p90, c.p99)
		}
	}
	if l := before.Between(before, "f"); l != nil {
		t.Errorf("nothing happened, yet %+v", l)
	}
	if l := read("1", "1", "1", "1").Between(before, "f"); l != nil {
		t.Errorf("registered again, yet %+v", l)
	}
	if l := before.Between(Histograms{}, "g"); l != nil {
		t.Errorf("unknown, yet %+v", l)
	}
	if l := before.Between(nil, "f"); l != nil {
		t.Errorf("no earlier reading, yet %+v", l)
	}
	if l := before.Between(Histograms{}, "f"); l == nil || l.P50 != 0.5 {
		t.Errorf("the first calls between two readings: %+v", l)
	}
}

// TestSums picks the sums and counts of one histogram by function.
func TestSums(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/actuator/prometheus" {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, "# HELP function_latency_ms x\n"+
			`function_latency_ms_bucket{function="f",le="0.1"} 3`+"\n"+
			`function_latency_ms_sum{function="f"} 12.5`+"\n"+
			`function_latency_ms_count{function="f"} 4`+"\n"+
			`function_latency_ms_sum{function="g.1"} 1e+06`+"\n"+
			`function_e2e_latency_ms_sum{function="f"} 99`+"\n")
	}))
	defer s.Close()
	c, err := New(s.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	c.KeepConnections(3)
	defer c.Close()
	sums, counts, err := c.Sums(t.Context(), "function_latency_ms")
	if err != nil || !maps.Equal(sums, map[string]float64{"f": 12.5, "g.1": 1e6}) || !maps.Equal(counts, map[string]float64{"f": 4}) {
		t.Errorf("%v, %v, %v", sums, counts, err)
	}
}
