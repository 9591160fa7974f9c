package kubernetes

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// outage logs when the API server gets out of reach and when it is back, once
// each. The client library's watches try again without a word.
type outage struct {
	next http.RoundTripper
	log  *slog.Logger

	mu    sync.Mutex
	since time.Time // zero while all is well
}

// RoundTrip implements http.RoundTripper.
func (o *outage) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := o.next.RoundTrip(r)
	if err == nil || !errors.Is(r.Context().Err(), context.Canceled) { // else it is the caller who gave up
		o.note(err)
	}
	return resp, err
}

func (o *outage) note(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err != nil && o.since.IsZero():
		o.since = time.Now()
		o.log.Warn("the API server is out of reach; functions run on as they are", "error", err)
	case err == nil && !o.since.IsZero():
		o.log.Info("the API server is back", "after", time.Since(o.since).Round(time.Millisecond))
		o.since = time.Time{}
	}
}
