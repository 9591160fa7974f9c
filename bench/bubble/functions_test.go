package bubble

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"simplane/server/harness/memnet"
	"simplane/sim/draws"
	"simplane/sim/scenario"
)

// functionsAddr is where the functions are, one path for each.
const functionsAddr = "10.1.0.1:80"

// attempt is one call of a function, as that sees it. Times count from the scenario's 0.
type attempt struct {
	function string // registered
	trace    string // of the call that it comes from
	key      string
	id       string
	number   int
	input    string

	received, over time.Duration // over: answered, or broken off
	running        bool
	broken         bool // the server closed the connection, or it was cut, before the answer
	status         int
	output         string // of a success; no two are equal
	says           string // of a failure; no two are equal
	asked          time.Duration
	cut            bool // by a fault of the test
	conn           *memnet.Conn
}

// functions run the scenario's functions.
type functions struct {
	stage *stage
	http  http.Server
	ctx   context.Context
	stop  context.CancelFunc
	// cutting says what becomes of an attempt's connection, nil = nothing.
	cutting func(n int) cutAt

	mu       sync.Mutex
	byName   map[string]*function
	attempts []*attempt
}

// cutAt is when a function's connection is cut.
type cutAt int

const (
	notCut cutAt = iota
	cutUnread
	cutUnanswered
	closedUnanswered // closed as by a server that ends, and not cut
	cutInAnswer
)

type function struct {
	decl    *scenario.Function
	service draws.Service
	faults  []*scenario.Fault
}

func (s *stage) serveFunctions() *functions {
	f := &functions{stage: s, byName: map[string]*function{}}
	f.ctx, f.stop = context.WithCancel(context.Background())
	for i := range s.sc.Functions {
		decl := &s.sc.Functions[i]
		for _, name := range decl.Names() {
			fn := &function{decl: decl, service: draws.NewService(s.sc.Seed, name, &decl.Behavior)}
			for j := range s.sc.Faults {
				if s.sc.Faults[j].Function == decl.Name {
					fn.faults = append(fn.faults, &s.sc.Faults[j])
				}
			}
			f.byName[name] = fn
		}
	}
	l, err := s.net.Listen(functionsAddr)
	if err != nil {
		s.t.Fatal(err)
	}
	f.http = http.Server{
		Handler: f, BaseContext: func(net.Listener) context.Context { return f.ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
		ErrorLog:    slog.NewLogLogger(slog.DiscardHandler, 0),
	}
	go func() { _ = f.http.Serve(l) }()
	return f
}

func (f *functions) close() {
	f.stop()
	_ = f.http.Close()
}

// seen are the attempts in the order in which they came.
func (f *functions) seen() []*attempt {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.attempts)
}

// connKey is the key of a request's connection in its context.
type connKey struct{}

// heldUntil is when a server can no longer hold a slot for an attempt: its function has ended
// it, or the server has closed the connection and given it up, which the function learns
// later where the network takes time. Past StaleTTL the execution is ended and the slot is
// free, and the attempt goes on.
func (s *stage) heldUntil(a *attempt) time.Duration {
	over := a.over
	if a.running {
		over = s.now()
	}
	if closed := a.conn.PeerClosed(); !closed.IsZero() {
		over = min(over, closed.Sub(s.began))
	}
	return min(over, a.received+s.sc.Core.StaleTTL)
}

// ServeHTTP runs one attempt.
func (f *functions) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := &attempt{
		function: r.URL.Path[1:], trace: r.Header.Get("X-Trace-Id"), key: r.Header.Get("Idempotency-Key"),
		id: r.Header.Get("X-Execution-Id"), received: f.stage.now(), running: true,
		conn: r.Context().Value(connKey{}).(*memnet.Conn),
	}
	a.number, _ = strconv.Atoi(r.Header.Get("X-Dispatch-Attempt"))
	f.mu.Lock()
	n := len(f.attempts)
	f.attempts = append(f.attempts, a)
	f.mu.Unlock()
	cut := notCut
	if f.cutting != nil {
		cut = f.cutting(n)
	}
	if cut == cutUnread {
		f.cut(w, a)
		return
	}
	body, err := io.ReadAll(r.Body)
	var envelope struct{ Input json.RawMessage }
	if err == nil {
		err = json.Unmarshal(body, &envelope)
	}
	fn := f.byName[a.function]
	if err != nil || fn == nil {
		if r.Context().Err() == nil { // else its caller has gone
			f.stage.find("a call that no function understands: %q, %v", body, err)
		}
		f.over(a, func() { a.broken = true })
		return
	}
	a.input = string(envelope.Input)
	if fn.out(a.received) {
		f.answer(w, r, a, n, cut, draws.Dispatch{Drawn: int64(draws.OutageAnswer), Fails: true}, http.StatusServiceUnavailable)
		return
	}
	f.mu.Lock()
	d := fn.service.Draw(int64(a.received), fn.slow(a.received), envelope.Input)
	f.mu.Unlock()
	switch status := http.StatusOK; {
	case d.Hangs:
		<-r.Context().Done()
		f.over(a, func() { a.broken = true })
	default:
		if d.Permanent {
			status = http.StatusUnprocessableEntity
		} else if d.Fails {
			status = http.StatusInternalServerError
		}
		if d.Cold {
			w.Header().Set("X-Cold-Start", "true")
			w.Header().Set("X-Init-Duration-Ms", strconv.FormatInt(fn.decl.Behavior.ColdStart.InitDuration.Milliseconds(), 10))
		}
		f.answer(w, r, a, n, cut, d, status)
		f.mu.Lock()
		fn.service.Retire(int64(f.stage.now()))
		f.mu.Unlock()
	}
}

// over ends an attempt.
func (f *functions) over(a *attempt, change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	a.over, a.running = f.stage.now(), false
}

// answer takes an attempt's time and answers.
func (f *functions) answer(w http.ResponseWriter, r *http.Request, a *attempt, n int, cut cutAt, d draws.Dispatch, status int) {
	select {
	case <-r.Context().Done():
	case <-time.After(time.Duration(d.Drawn)):
	}
	if r.Context().Err() != nil {
		f.over(a, func() { a.broken = true })
		return
	}
	switch cut {
	case cutUnanswered:
		f.cut(w, a)
		return
	case closedUnanswered:
		f.over(a, func() { a.broken, a.cut = true, true })
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = c.Close()
		}
		return
	}
	// As many bytes as the simulator's functions answer.
	body := fmt.Sprintf(`"%0*d"`, len(draws.Output)-2, n)
	f.over(a, func() {
		if a.status = status; status == http.StatusOK {
			a.output = body
		} else {
			a.says = body
		}
		if d.RetryAfter > 0 {
			a.asked = (d.RetryAfter + time.Second - 1).Truncate(time.Second)
		}
		a.cut = cut == cutInAnswer
	})
	if a.asked > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(a.asked/time.Second)))
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if cut == cutInAnswer {
		_, _ = io.WriteString(w, body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		f.cutNow(w)
		return
	}
	_, _ = io.WriteString(w, body)
}

// cut ends an attempt by cutting its connection.
func (f *functions) cut(w http.ResponseWriter, a *attempt) {
	f.over(a, func() { a.broken, a.cut = true, true })
	f.cutNow(w)
}

func (f *functions) cutNow(w http.ResponseWriter) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		f.stage.find("a function's connection cannot be cut: %v", err)
		return
	}
	c.(interface{ Cut() }).Cut()
	_ = c.Close()
}

// out says that an outage lasts at a time.
func (f *function) out(at time.Duration) bool {
	return slices.ContainsFunc(f.faults, func(o *scenario.Fault) bool { return o.Kind == "outage" && o.At <= at && at < o.At+o.For })
}

// slow is the product of the slowdowns that last at a time.
func (f *function) slow(at time.Duration) float64 {
	slow := 1.0
	for _, s := range f.faults {
		if s.Kind == "slowdown" && s.At <= at && at < s.At+s.For {
			slow *= s.Factor
		}
	}
	return slow
}
