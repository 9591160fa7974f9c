package live

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"simplane/bench/nap"
	"simplane/core"
	"simplane/sim/draws"
	"simplane/sim/scenario"
)

// backends are what runs the scenario's functions: one HTTP server, with a path for
// each registered function.
type backends struct {
	url    string
	http   http.Server
	served chan struct{}
	began  atomic.Pointer[time.Time]
	ctx    context.Context // ends with them
	stop   context.CancelFunc

	mu        sync.Mutex
	functions map[string]*backend
	naps      []*nap.Timer // not in use
	attempts  []attempt
	trouble   error // the first
}

// backend is one registered function.
type backend struct {
	decl    *scenario.Function
	service draws.Service
	faults  []*scenario.Fault
	timed   bool // some of its calls bring their service time
}

// input reads what a call brings, which matters only if it is its service time.
func (f *backend) input(body io.Reader) []byte {
	if !f.timed {
		_, _ = io.Copy(io.Discard, body)
		return nil
	}
	var envelope struct{ Input json.RawMessage }
	_ = json.NewDecoder(body).Decode(&envelope)
	_, _ = io.Copy(io.Discard, body)
	return envelope.Input
}

// attempt is one dispatch as its backend saw it. Times count from the beginning.
type attempt struct {
	function           string // registered
	call               int    // that the execution was made by; -1 = not known
	id                 core.ID
	number             int32
	received, answered time.Duration
	drawn              time.Duration // the service time
	broken             bool          // the server closed the connection before it was answered
	failed, permanent  bool
	asked              time.Duration // Retry-After of the failure
}

func serveBackends(sc *scenario.Scenario) (*backends, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &backends{url: "http://" + l.Addr().String(), served: make(chan struct{}), functions: map[string]*backend{}}
	b.begin(time.Now())
	b.ctx, b.stop = context.WithCancel(context.Background())
	for i := range sc.Functions {
		f := &sc.Functions[i]
		for _, name := range f.Names() {
			fn := &backend{decl: f, service: draws.NewService(sc.Seed, name, &f.Behavior)}
			for j := range sc.Load {
				a := &sc.Load[j].Arrivals
				fn.timed = fn.timed || sc.Load[j].Function == f.Name && slices.ContainsFunc(a.Calls, func(c scenario.Call) bool { return c.Timed })
			}
			for j := range sc.Faults {
				if sc.Faults[j].Function == f.Name {
					fn.faults = append(fn.faults, &sc.Faults[j])
				}
			}
			b.functions[name] = fn
		}
	}
	b.http = http.Server{Handler: b, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return b.ctx }}
	go func() {
		defer close(b.served)
		_ = b.http.Serve(l)
	}()
	return b, nil
}

// begin says when the scenario's 0 is. No call may have come yet.
func (b *backends) begin(at time.Time) { b.began.Store(&at) }

// now is the time since the scenario's 0.
func (b *backends) now() time.Duration { return time.Since(*b.began.Load()) }

func (b *backends) endpoint(function string) string { return b.url + "/" + function }

// close breaks off what is under way.
func (b *backends) close() {
	b.stop()
	_ = b.http.Close()
	<-b.served
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.naps {
		t.Close()
	}
	b.naps = nil
}

// ServeHTTP runs one dispatch.
func (b *backends) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := attempt{received: b.now(), function: r.URL.Path[1:], call: -1}
	fn := b.functions[a.function]
	if fn == nil {
		http.NotFound(w, r)
		return
	}
	if n, ok := callOf(r.Header.Get("X-Trace-Id")); ok {
		a.call = n
	}
	a.id, _ = core.ParseID(r.Header.Get("X-Execution-Id"))
	number, _ := strconv.ParseInt(r.Header.Get("X-Dispatch-Attempt"), 10, 32)
	a.number = int32(number)
	input := fn.input(http.MaxBytesReader(w, r.Body, maxInput+1<<10))
	if fn.out(a.received) {
		a.drawn, a.failed = draws.OutageAnswer, true
		b.sleep(r.Context(), &a)
		b.answer(w, &a, http.StatusServiceUnavailable)
		return
	}
	b.mu.Lock()
	d := fn.service.Draw(int64(a.received), fn.slow(a.received), input)
	b.mu.Unlock()
	a.drawn, a.failed, a.permanent = time.Duration(d.Drawn), d.Fails, d.Permanent
	if d.Hangs { // its instance is lost
		<-r.Context().Done()
		a.broken = true
		b.keep(&a)
		return
	}
	b.sleep(r.Context(), &a)
	b.mu.Lock()
	fn.service.Retire(int64(b.now()))
	b.mu.Unlock()
	if d.Cold {
		w.Header().Set("X-Cold-Start", "true")
		w.Header().Set("X-Init-Duration-Ms", strconv.FormatInt(fn.decl.Behavior.ColdStart.InitDuration.Milliseconds(), 10))
	}
	switch {
	case d.Permanent:
		b.answer(w, &a, http.StatusUnprocessableEntity)
	case d.Fails:
		if seconds := (d.RetryAfter + time.Second - 1) / time.Second; seconds > 0 {
			a.asked = seconds * time.Second
			w.Header().Set("Retry-After", strconv.Itoa(int(seconds)))
		}
		b.answer(w, &a, http.StatusInternalServerError)
	default:
		b.answer(w, &a, http.StatusOK)
	}
}

// sleep takes an attempt's time, counted from when it was received, unless the
// server breaks it off.
func (b *backends) sleep(ctx context.Context, a *attempt) {
	left := a.received + a.drawn - b.now()
	if left <= 0 {
		return
	}
	timer, err := b.timer()
	if err == nil {
		err = timer.SleepUnless(ctx, left)
	}
	switch {
	case err == nil:
		b.mu.Lock()
		b.naps = append(b.naps, timer)
		b.mu.Unlock()
		return
	case ctx.Err() == nil:
		b.mu.Lock()
		if b.trouble == nil {
			b.trouble = err
		}
		b.mu.Unlock()
	}
	a.broken = true
	if timer != nil {
		timer.Close()
	}
}

func (b *backends) timer() (*nap.Timer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.naps); n > 0 {
		t := b.naps[n-1]
		b.naps = b.naps[:n-1]
		return t, nil
	}
	return nap.New()
}

// answer keeps an attempt and sends its answer.
func (b *backends) answer(w http.ResponseWriter, a *attempt, status int) {
	b.keep(a)
	body := draws.Output
	if status != http.StatusOK {
		body = []byte(`{"error":"failure of the scenario"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// keep puts an attempt that is over into the list: before its answer is sent, so
// that whoever has the answer finds it there.
func (b *backends) keep(a *attempt) {
	a.answered = b.now()
	b.mu.Lock()
	b.attempts = append(b.attempts, *a)
	b.mu.Unlock()
}

// out says that an outage lasts at a time.
func (f *backend) out(at time.Duration) bool {
	for _, o := range f.faults {
		if o.Kind == "outage" && o.At <= at && at < o.At+o.For {
			return true
		}
	}
	return false
}

// slow is the product of the slowdowns that last at a time.
func (f *backend) slow(at time.Duration) float64 {
	slow := 1.0
	for _, s := range f.faults {
		if s.Kind == "slowdown" && s.At <= at && at < s.At+s.For {
			slow *= s.Factor
		}
	}
	return slow
}

// seen are the attempts that have been answered or broken off.
func (b *backends) seen() ([]attempt, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]attempt(nil), b.attempts...), b.trouble
}
