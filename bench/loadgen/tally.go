package loadgen

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/valyala/fasthttp"
)

// maxFailureKinds bounds the failure table; rarer kinds share one row.
const maxFailureKinds = 32

// tally counts outcomes of recorded requests.
type tally struct {
	ok, failed atomic.Int64
	status     [600]atomic.Int64
	mu         sync.Mutex
	failures   map[string]*Failure
}

// Failure is one way requests failed.
type Failure struct {
	Kind   string `json:"kind"`
	Count  int64  `json:"count"`
	Sample string `json:"sample,omitempty"` // the first one, shortened
}

func (t *tally) fail(kind, sample string) {
	t.failed.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failures == nil {
		t.failures = make(map[string]*Failure)
	}
	f := t.failures[kind]
	if f == nil {
		if len(t.failures) >= maxFailureKinds {
			kind = "other"
		}
		if f = t.failures[kind]; f == nil {
			f = &Failure{Kind: kind, Sample: shorten(sample)}
			t.failures[kind] = f
		}
	}
	f.Count++
}

func shorten(s string) string {
	if len(s) > 200 {
		s = s[:200] + "..."
	}
	return strings.ToValidUTF8(s, "?")
}

// failureKind names a transport error without its ever-changing details.
func failureKind(err error) string {
	var timeout interface{ Timeout() bool }
	var refused *grpcError
	switch {
	case errors.As(err, &refused):
		return "grpc status " + refused.code
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.Is(err, io.EOF), errors.Is(err, fasthttp.ErrConnectionClosed):
		return "connection closed by the server"
	default:
		return "transport error"
	}
}

// statuses returns the statuses seen with their counts.
func (t *tally) statuses() map[string]int64 {
	out := make(map[string]int64)
	for code := range t.status {
		if n := t.status[code].Load(); n > 0 {
			out[fmt.Sprint(code)] = n
		}
	}
	return out
}
