package bubble

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"simplane/core"
	"simplane/sim/draws"
	"simplane/sim/scenario"
)

// call is one call of the scenario and what its caller was told. Times count from the
// scenario's 0.
type call struct {
	load     *scenario.Load
	function string // registered
	at       time.Duration
	trace    string
	key      string
	input    string

	sent     time.Duration // when its caller had a connection and began to send it; 0 = never
	answered time.Duration
	status   int    // of HTTP; 0 = no answer
	id       string // of the execution
	result   string // success, error, timeout, queued, …; "" of a refusal
	output   string
	code     string // of the error, or of the refusal
	message  string
	left     bool  // its caller has closed the connection
	lost     error // why there is no answer
}

// waits says that the caller waits for the outcome.
func (c *call) waits() bool { return c.load.Mode == "invoke" }

// acknowledged says that the caller was told of an execution.
func (c *call) acknowledged() bool { return c.id != "" }

// plan are all calls of a scenario by their times.
func plan(sc *scenario.Scenario) []*call {
	var all []*call
	for _, l := range draws.Loads(sc) {
		for {
			at, more := l.Next()
			if !more {
				break
			}
			c := &call{load: l.Decl, function: l.Function, at: at}
			input, key := l.Brings()
			c.input = string(draws.Input(input))
			if size := l.Size(); size > 0 {
				c.input = `"` + strings.Repeat("x", max(size-2, 0)) + `"`
			}
			if took, timed := l.Took(); timed {
				c.input = string(draws.AppendTimed(nil, took, l.Size()))
			}
			if key >= 0 {
				c.key = draws.KeyName(key)
			}
			all = append(all, c)
		}
	}
	slices.SortStableFunc(all, func(a, b *call) int { return cmp.Compare(a.at, b.at) })
	for i, c := range all {
		c.trace = "call-" + strconv.Itoa(i)
		if c.key == "" && c.input == string(draws.Input(0)) && sc.Core.MaxPayloadBytes == core.DefaultConfig().MaxPayloadBytes {
			pad := ""
			if i%7 == 3 { // more than the buffers for requests and answers have room for
				pad = strings.Repeat("x", 4000+i*37%5000)
			}
			c.input = fmt.Sprintf(`{"n":1,"call":%d,"pad":%q}`, i, pad) // no two are equal
		}
	}
	return all
}

// request is a call as a caller sends it.
func (c *call) request(ctx context.Context) *http.Request {
	req, err := http.NewRequestWithContext(ctx, "POST", "http://"+addr+"/v1/functions/"+c.function+":"+c.load.Mode, bytes.NewReader(fmt.Appendf(nil, `{"input":%s}`, c.input)))
	if err != nil {
		panic(err)
	}
	req.Header.Set("X-Trace-Id", c.trace)
	if c.key != "" {
		req.Header.Set("Idempotency-Key", c.key)
	}
	if c.load.TimeoutMillis > 0 {
		req.Header.Set("X-Timeout-Ms", strconv.Itoa(c.load.TimeoutMillis))
	}
	return req
}

// drive makes each call at its time and returns when all are answered.
func (s *stage) drive() {
	s.calls = plan(s.sc)
	var open sync.WaitGroup
	for _, c := range s.calls {
		s.until(c.at)
		open.Go(func() { s.make(c) })
	}
	open.Wait()
}

// make makes a call.
func (s *stage) make(c *call) {
	ctx, cancel := context.Background(), func() {}
	if c.load.Leaves.After > 0 {
		ctx, cancel = context.WithTimeout(ctx, c.load.Leaves.After)
	}
	defer cancel()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { c.sent = s.now() }})
	res, err := s.client.Do(c.request(ctx))
	if err != nil {
		c.lost, c.left, c.answered = err, ctx.Err() != nil, s.now()
		return
	}
	defer res.Body.Close()
	c.read(s, res)
	c.left = c.lost != nil && ctx.Err() != nil
}

// read takes an answer.
func (c *call) read(s *stage, res *http.Response) {
	body, err := io.ReadAll(res.Body)
	if c.answered = s.now(); err != nil {
		c.lost = err
		return
	}
	c.status = res.StatusCode
	if c.status < 300 {
		var a struct {
			ExecutionID, Status string
			Output              json.RawMessage
			Error               struct{ Code, Message string }
		}
		err = json.Unmarshal(body, &a)
		c.id, c.result, c.output, c.code, c.message = a.ExecutionID, a.Status, string(a.Output), a.Error.Code, a.Error.Message
	} else {
		var a struct{ Error, Message, ExecutionID string }
		err = json.Unmarshal(body, &a)
		c.code, c.message = a.Error, a.Message
		if err == nil && a.Error == "" {
			err = errors.New("no error code")
		}
	}
	if err != nil {
		s.find("%s: an answer that nobody understands: %d %q: %v", c.trace, c.status, body, err)
	}
}
