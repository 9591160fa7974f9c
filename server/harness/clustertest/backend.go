package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// job is what an input asks for.
type job struct {
	N    int64 `json:"n"`
	Fail bool  `json:"fail,omitempty"` // the first attempt
	MS   int   `json:"ms,omitempty"`
}

// backend is the function of all nodes. It counts what it is called for.
type backend struct {
	url string
	srv *http.Server

	mu       sync.Mutex
	attempts map[string]map[int]int // calls, by execution and attempt
	now      map[string]int         // under way
	twice    []string
	overlaps int
}

func newBackend(host string) (*backend, error) {
	l, err := net.Listen("tcp", host+":0")
	if err != nil {
		return nil, err
	}
	b := &backend{url: "http://" + l.Addr().String(), attempts: map[string]map[int]int{}, now: map[string]int{}}
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
	b.begin(id, attempt)
	time.Sleep(time.Duration(body.Input.MS) * time.Millisecond) // however the caller fares
	b.end(id)
	if body.Input.Fail && attempt == 1 {
		http.Error(w, "as asked, once", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"n":%d}`, body.Input.N)
}

func (b *backend) begin(id string, attempt int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.attempts[id] == nil {
		b.attempts[id] = map[int]int{}
	}
	if b.attempts[id][attempt]++; b.attempts[id][attempt] > 1 {
		b.twice = append(b.twice, fmt.Sprintf("%s: attempt %d was made twice", id, attempt))
	}
	if b.now[id]++; b.now[id] > 1 {
		b.overlaps++
	}
}

func (b *backend) end(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.now[id]--; b.now[id] == 0 {
		delete(b.now, id)
	}
}

// made is how many different attempts of an execution were made.
func (b *backend) made(id string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.attempts[id])
}

func (b *backend) overlapped() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.overlaps
}
