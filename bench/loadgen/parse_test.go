package loadgen

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"simplane/bench/arrival"
)

var local = Defaults{Server: "http://127.0.0.1:8080", Headers: []Header{{"X-A", "1"}}}

func TestParseTarget(t *testing.T) {
	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, []byte(`{"big":true}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text string
		want Target
	}{
		{"weight=3,name=echo,mode=invoke", Target{
			Name: "echo:invoke", Weight: 3, Method: "POST", URL: "http://127.0.0.1:8080/v1/functions/echo:invoke",
			Headers: []Header{{"Content-Type", "application/json"}, {"X-A", "1"}}, Body: []byte(`{"input":{"message":"hello"}}`),
			ExpectBody: `"status":"success"`,
		}},
		{"name=echo,mode=enqueue,body-file=" + file + ",expect-status=202", Target{
			Name: "echo:enqueue", Weight: 1, Method: "POST", URL: "http://127.0.0.1:8080/v1/functions/echo:enqueue",
			Headers: []Header{{"Content-Type", "application/json"}, {"X-A", "1"}}, Body: []byte(`{"input":{"big":true}}`), ExpectStatus: []int{202},
		}},
		{`url=http://localhost:1/x,"body=a,b",expect-status=200|204,expect-body=hi,name=x`, Target{
			Name: "x", Weight: 1, Method: "POST", URL: "http://localhost:1/x", Headers: []Header{{"X-A", "1"}},
			Body: []byte("a,b"), ExpectStatus: []int{200, 204}, ExpectBody: "hi",
		}},
		{"url=http://localhost:1/x,method=PUT", Target{
			Name: "http://localhost:1/x", Weight: 1, Method: "PUT", URL: "http://localhost:1/x", Headers: []Header{{"X-A", "1"}},
		}},
	} {
		got, err := ParseTarget(c.text, local)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", c.text, got, err, c.want)
		}
	}
	for _, c := range []struct{ text, says string }{
		{"", "target"}, {"weight=3", "url= or name="}, {"name=a,mode=sing", "sing"}, {"name=a,weight=x", "whole number"},
		{"nonsense", "key=value"}, {"url=http://h/,mode=invoke", "exclude"}, {"name=a,colour=red", "colour"},
		{"name=a,body={", "not JSON"}, {"name=a,body-file=/does/not/exist", "body file"}, {"name=a,expect-status=20", "20"},
		{`name="a`, "target"},
	} {
		if _, err := ParseTarget(c.text, local); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: error %v does not say %q", c.text, err, c.says)
		}
	}
	if _, err := FunctionTarget(Defaults{Server: "127.0.0.1:8080"}, "a", ""); err == nil {
		t.Error("a server without a scheme was accepted")
	}
}

func TestParseLimit(t *testing.T) {
	for text, want := range map[string]Limit{
		"p99=5ms": {Percentile: 99, Max: 5 * time.Millisecond}, "p99.9<=1s": {Percentile: 99.9, Max: time.Second}, "max=2m": {Percentile: 100, Max: 2 * time.Minute},
		"p95 < 20ms": {Percentile: 95, Max: 20 * time.Millisecond, Op: "<"}, "mean<1ms": {Figure: FigureMean, Max: time.Millisecond, Op: "<"},
		"errors<1%": {Figure: FigureErrors, Bound: 0.01, Op: "<"}, "errors<=0.5": {Figure: FigureErrors, Bound: 0.5}, "rate>=900": {Figure: FigureRate, Bound: 900, Op: ">="},
	} {
		if got, err := ParseLimit(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "p99", "99=5ms", "p0=1ms", "p101=1ms", "pNaN=1ms", "p99=5", "p99=-1ms", "p99=3m", "p99>1ms", "errors<1", "errors<5", "errors>1%", "rate<5", "rate>5%", "rate>=-1", "mean<1", "p99<", "<5ms"} {
		if l, err := ParseLimit(text); err == nil {
			t.Errorf("%q was accepted as %+v", text, l)
		}
	}
}

func TestParseHeaderAndStatuses(t *testing.T) {
	if h, err := ParseHeader("X-A:  b: c "); err != nil || h != (Header{"X-A", "b: c"}) {
		t.Errorf("%+v, %v", h, err)
	}
	for _, text := range []string{"", "no colon", ": v", "a: b\r\nc: d"} {
		if _, err := ParseHeader(text); err == nil {
			t.Errorf("header %q was accepted", text)
		}
	}
	for _, text := range []string{"", "99", "600", "200,", "ok"} {
		if _, err := ParseStatuses(text); err == nil {
			t.Errorf("status list %q was accepted", text)
		}
	}
}

func TestValidate(t *testing.T) {
	good := options("http://127.0.0.1:1/")
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for says, change := range map[string]func(*Options){
		"targets":     func(o *Options) { o.Targets = nil },
		"url":         func(o *Options) { o.Targets = []Target{{URL: "ftp://x/", Weight: 1, Method: "GET"}} },
		"weight":      func(o *Options) { o.Targets = []Target{{URL: "http://x/", Method: "GET"}} },
		"method":      func(o *Options) { o.Targets = []Target{{URL: "http://x/", Weight: 1, Method: "A B"}} },
		"connections": func(o *Options) { o.Connections = 0 },
		"rate":        func(o *Options) { o.Rate = -1 },
		"arrival":     func(o *Options) { o.Rate, o.Arrival = 1, "bursty" },
		"duration":    func(o *Options) { o.Duration = 0 },
		"warmup":      func(o *Options) { o.Warmup = -1 },
		"timeout":     func(o *Options) { o.Timeout = time.Hour },
		"backlog":     func(o *Options) { o.Backlog = -1 },
		"idempotency": func(o *Options) { o.Idempotency = -2 },
	} {
		o := good
		change(&o)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v", says, err)
		}
		if _, _, err := Run(t.Context(), o, nil); err == nil {
			t.Errorf("%s: Run took options that Validate refuses", says)
		}
	}
}

func stagesOf(t *testing.T, text string) []arrival.Stage {
	t.Helper()
	s, err := arrival.ParseStages(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
