package fncall

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

// permanent reports whether an answer with an error status says that the same
// request would fail again: a status of 400 to 499, but for those that are
// about time and load, or a body that says so.
func permanent(status int, body []byte) bool {
	switch status {
	case fasthttp.StatusRequestTimeout, 425, // Too Early
		fasthttp.StatusTooManyRequests:
	default:
		if status >= 400 && status <= 499 {
			return true
		}
	}
	if body = bytes.TrimSpace(body); len(body) == 0 || body[0] != '{' {
		return false
	}
	var says struct {
		retryable
		Error json.RawMessage `json:"error"` // an object here, plain text with others
	}
	if json.Unmarshal(body, &says) != nil {
		return false
	}
	var inner retryable
	_ = json.Unmarshal(says.Error, &inner)
	return says.never() || inner.never()
}

// retryable is the member of an error that says whether to try again.
type retryable struct {
	Retryable *bool `json:"retryable"`
}

func (r retryable) never() bool { return r.Retryable != nil && !*r.Retryable }

// retryAfter reads a Retry-After header (RFC 9110, section 10.2.3): seconds,
// or a date. What it cannot read counts as 0.
func retryAfter(value []byte, now time.Time) time.Duration {
	if len(value) == 0 {
		return 0
	}
	const most = 24 * time.Hour // core takes less
	if seconds, err := strconv.ParseUint(string(value), 10, 64); err == nil {
		return time.Duration(min(seconds, uint64(most/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(string(value)); err == nil {
		return min(max(at.Sub(now), 0), most)
	}
	return 0
}
