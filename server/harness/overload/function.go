package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"
)

// workload is a POOL function with a known service time and so, with its
// slots, a known capacity. It can be out: then it takes requests and answers
// none.
type workload struct {
	*httptest.Server
	service time.Duration
	out     atomic.Bool
	started atomic.Int64 // requests, whether somebody got the answer or not
}

func newWorkload(service time.Duration) *workload {
	w := &workload{service: service}
	w.Server = httptest.NewServer(w)
	return w
}

func (w *workload) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	began := time.Now()
	w.started.Add(1)
	for w.out.Load() {
		if !pause(r.Context(), 20*time.Millisecond) {
			return // the caller gave up
		}
	}
	// Not before its time, but no second service time after an outage.
	if !pause(r.Context(), time.Until(began.Add(w.service))) {
		return
	}
	rw.Header().Set("Content-Type", "application/json")
	_, _ = rw.Write([]byte(`true`))
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
