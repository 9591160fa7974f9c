package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"simplane/server/harness/attemptcount"
)

// job is what an input asks for.
type job struct {
	N    int64 `json:"n"`
	Fail bool  `json:"fail,omitempty"` // the first attempt
	MS   int   `json:"ms,omitempty"`
	// Pad makes the input long; the output gets it, too.
	Pad string `json:"pad,omitempty"`
}

// backend is the function of all nodes. It counts what it is called for.
type backend struct {
	url      string
	srv      *http.Server
	attempts attemptcount.Counter
}

func newBackend(host string) (*backend, error) {
	l, err := net.Listen("tcp", host+":0")
	if err != nil {
		return nil, err
	}
	b := &backend{url: "http://" + l.Addr().String()}
	b.srv = &http.Server{Handler: b}
	go func() { _ = b.srv.Serve(l) }()
	return b, nil
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
	if body.Input.Fail && attempt == 1 {
		http.Error(w, "as asked, once", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, output(body.Input.N, body.Input.Pad))
}
