package epollload

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"simplane/bench/arrival"
	"simplane/bench/latency"
	"simplane/bench/loadgen"
)

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

func options(url string) loadgen.Options {
	return loadgen.Options{
		Targets:     []loadgen.Target{loadgen.URLTarget(loadgen.Defaults{}, url)},
		Connections: 4, Duration: 150 * time.Millisecond, Timeout: 10 * time.Second, Arrival: arrival.Constant,
	}
}

func mustRun(t *testing.T, o loadgen.Options) *Result {
	t.Helper()
	r, err := Run(context.Background(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Latency.Count(); got != r.OK+r.Failed {
		t.Errorf("%d latencies of %d answers", got, r.OK+r.Failed)
	}
	return r
}

func TestClosedLoopCountsWhatTheServerSaw(t *testing.T) {
	var served, connections atomic.Int64
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		served.Add(1)
		_, _ = io.WriteString(w, "fine")
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	o := options(srv.URL)
	o.Targets[0].ExpectBody = "fine"
	r := mustRun(t, o)
	if r.OK != served.Load() || r.OK == 0 || r.Failed != 0 {
		t.Errorf("ok %d, failed %d, the server saw %d", r.OK, r.Failed, served.Load())
	}
	if got := connections.Load(); got != 4 {
		t.Errorf("%d connections, want 4", got)
	}
	if r.Answered == 0 || r.Answered > r.OK || r.Measured <= 0 {
		t.Errorf("%d of %d answered within %v", r.Answered, r.OK, r.Measured)
	}
}

// One answer in 50 comes 20 ms late: both loops put that into p99 and max.
func TestDelaysShowInTheTail(t *testing.T) {
	for _, rate := range []float64{0, 1000} {
		var n atomic.Int64
		o := options(serve(t, func(w http.ResponseWriter, _ *http.Request) {
			if n.Add(1)%50 == 0 {
				time.Sleep(20 * time.Millisecond)
			}
		}))
		o.Rate, o.Duration = rate, 400*time.Millisecond
		r := mustRun(t, o)
		if r.OK < 100 {
			t.Fatalf("rate %v: only %d answers", rate, r.OK)
		}
		for _, p := range []float64{99, 99.9, 100} {
			if got := latency.Percentile(r.Latency, p); got < 20 {
				t.Errorf("rate %v: p%v is %.2f ms, the 20 ms are missing", rate, p, got)
			}
		}
	}
}

// The server holds its only answer until every request of the schedule is due:
// the latencies count from the due times.
func TestOpenLoopKeepsItsSchedule(t *testing.T) {
	const rate, hold = 200, 300 * time.Millisecond
	var once atomic.Bool
	o := options(serve(t, func(http.ResponseWriter, *http.Request) {
		if once.CompareAndSwap(false, true) {
			time.Sleep(hold)
		}
	}))
	o.Connections, o.Rate, o.Duration = 1, rate, 200*time.Millisecond
	r := mustRun(t, o)
	if r.OK != 40 || r.Unsent != 0 || r.Late.Count() != 40 {
		t.Errorf("ok %d, unsent %d, released %d; want 40, 0, 40", r.OK, r.Unsent, r.Late.Count())
	}
	// The last is due 5 ms before the end, so it waits for 105 ms at least.
	if got := float64(r.Latency.Min()) / 1e6; got < 104 {
		t.Errorf("the shortest latency is %.1f ms, but nothing was answered within 105 ms of its due time", got)
	}
}

func TestWarmupIsNotRecorded(t *testing.T) {
	var served atomic.Int64
	o := options(serve(t, func(http.ResponseWriter, *http.Request) { served.Add(1) }))
	o.Warmup, o.Rate, o.Duration = 100*time.Millisecond, 200, 100*time.Millisecond
	var clocks atomic.Int64
	r, err := Run(context.Background(), o, func() time.Duration { return time.Duration(clocks.Add(5)) })
	if err != nil || r.OK != 20 || served.Load() != 40 {
		t.Errorf("%v: ok %d of %d served; want 20 of 40", err, r.OK, served.Load())
	}
	if r.ServerCPU != 5 || clocks.Load() != 10 {
		t.Errorf("server CPU %v after %d readings", r.ServerCPU, clocks.Load()/5)
	}
}

// Bodies beyond the socket's buffers go out and come back in pieces.
func TestLargeBodies(t *testing.T) {
	o := options(serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	}))
	body := append(bytes.Repeat([]byte("x"), 2<<20), "end"...)
	o.Targets[0].Method, o.Targets[0].Body, o.Targets[0].ExpectBody = "POST", body, "xend"
	if r := mustRun(t, o); r.OK == 0 || r.Failed != 0 {
		t.Errorf("ok %d, failures %+v", r.OK, r.Failures)
	}
}

// raw serves each connection with f until it returns false.
func raw(t *testing.T, f func(c net.Conn, r *bufio.Reader) bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for r := bufio.NewReader(c); f(c, r); {
				}
			}()
		}
	}()
	return "http://" + l.Addr().String() + "/"
}

func answering(pieces ...string) func(net.Conn, *bufio.Reader) bool {
	return func(c net.Conn, r *bufio.Reader) bool {
		if _, err := http.ReadRequest(r); err != nil {
			return false
		}
		for _, p := range pieces {
			if _, err := io.WriteString(c, p); err != nil {
				return false
			}
			time.Sleep(time.Millisecond)
		}
		return !strings.Contains(pieces[0], "close")
	}
}

func TestAnswersOfManyKinds(t *testing.T) {
	for says, f := range map[string]func(net.Conn, *bufio.Reader) bool{
		"":                                answering("HTTP/1.1 200 OK\r\nContent-", "Length: 4\r\n\r\n", "fi", "ne"),
		"status 404":                      answering("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"),
		errNoLength.Error():               answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
		errNotHTTP.Error():                answering("hello, this is another protocol\r\n\r\n"),
		"more than one answer":            answering("HTTP/1.1 204 OK\r\n\r\nHTTP/1.1 204 OK\r\n\r\n"),
		"connection closed by the server": answering("HTTP/1.1 200 OK\r\nX: close\r\nContent-Length: 4\r\n\r\nfi"),
	} {
		o := options(raw(t, f))
		r := mustRun(t, o)
		if says == "" {
			if r.OK == 0 || r.Failed != 0 {
				t.Errorf("in pieces: ok %d, failures %+v", r.OK, r.Failures)
			}
			continue
		}
		// Every connection was renewed after its failure.
		if r.OK != 0 || r.Failed <= int64(o.Connections) || len(r.Failures) == 0 || r.Failures[0].Kind != says {
			t.Errorf("want %q: ok %d, failures %+v", says, r.OK, r.Failures)
		}
	}
}

func TestClosingServerIsNoFailure(t *testing.T) {
	for _, rate := range []float64{0, 200} {
		o := options(raw(t, answering("HTTP/1.1 204 OK\r\nConnection: close\r\n\r\n")))
		o.Rate = rate
		if r := mustRun(t, o); r.OK <= int64(o.Connections) || r.Failed != 0 {
			t.Errorf("rate %v: ok %d, failures %+v", rate, r.OK, r.Failures)
		}
	}
}

func TestTimeoutIsAFailure(t *testing.T) {
	for _, rate := range []float64{0, 100} {
		o := options(raw(t, func(c net.Conn, r *bufio.Reader) bool {
			_, err := http.ReadRequest(r)
			return err == nil
		}))
		o.Timeout, o.Rate, o.Duration = 20*time.Millisecond, rate, 100*time.Millisecond
		r := mustRun(t, o)
		if r.OK != 0 || r.Failed == 0 || r.Failures[0].Kind != "timeout" {
			t.Errorf("rate %v: ok %d, failures %+v", rate, r.OK, r.Failures)
		}
		if got := float64(r.Latency.Min()) / 1e6; got < 19.9 {
			t.Errorf("rate %v: a timeout of 20 ms after %.1f ms", rate, got)
		}
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	o := options(serve(t, func(http.ResponseWriter, *http.Request) { cancel() }))
	o.Duration = time.Hour
	if r, err := Run(ctx, o, nil); err != nil || !r.Interrupted {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if r, err := Run(context.Background(), options("http://"+l.Addr().String()), nil); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestValidate(t *testing.T) {
	for says, change := range map[string]func(*loadgen.Options){
		"connections": func(o *loadgen.Options) { o.Connections = 0 },
		"256 MiB": func(o *loadgen.Options) {
			o.Targets[0].URL, o.Targets[0].Body = "http://x/{n}", make([]byte, 1<<20)
			o.Targets[0], _ = o.Targets[0].Spread(300, "")
		},
		"plain http": func(o *loadgen.Options) { o.Targets[0].URL = "https://x/" },
		"one kind":   func(o *loadgen.Options) { o.Targets = append(o.Targets, o.Targets[0]) },
	} {
		o := options("http://x/")
		change(&o)
		if err := Validate(o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}
