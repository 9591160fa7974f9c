package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"

	"simplane/server/harness/attemptcount"
)

// backend is the POOL function: it outlives each simplane, and counts what it is
// called for.
type backend struct {
	*httptest.Server
	attempts attemptcount.Counter
}

func newBackend() *backend {
	b := &backend{}
	b.Server = httptest.NewServer(b)
	return b
}

// job is what an input asks for.
type job struct {
	N    int  `json:"n"`
	Fail bool `json:"fail"`
	MS   int  `json:"ms"`
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct{ Input job }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	id := r.Header.Get("X-Execution-Id")
	attempt, _ := strconv.Atoi(r.Header.Get("X-Dispatch-Attempt"))
	b.attempts.Begin(id, attempt)
	time.Sleep(time.Duration(body.Input.MS) * time.Millisecond) // however the caller fares
	b.attempts.End(id)
	if body.Input.Fail {
		http.Error(w, "as asked", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"n":%d}`, body.Input.N)
}
