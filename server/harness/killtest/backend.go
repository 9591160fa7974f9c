package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"time"
)

// backend is the POOL function: it outlives each simplane, and counts what it is
// called for.
type backend struct {
	*httptest.Server

	mu    sync.Mutex
	calls map[string]map[int]int // by execution and attempt
	now   map[string]int         // calls under way, by execution
	wrong []string
}

func newBackend() *backend {
	b := &backend{calls: map[string]map[int]int{}, now: map[string]int{}}
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
	b.begin(id, attempt)
	time.Sleep(time.Duration(body.Input.MS) * time.Millisecond) // however the caller fares
	b.end(id)
	if body.Input.Fail {
		http.Error(w, "as asked", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"n":%d}`, body.Input.N)
}

func (b *backend) begin(id string, attempt int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.calls[id] == nil {
		b.calls[id] = map[int]int{}
	}
	b.calls[id][attempt]++
	if b.calls[id][attempt] > 1 {
		b.wrong = append(b.wrong, fmt.Sprintf("%s: attempt %d was made twice", id, attempt))
	}
	b.now[id]++
	if b.now[id] > 1 {
		b.wrong = append(b.wrong, fmt.Sprintf("%s: attempt %d overlaps another", id, attempt))
	}
}

func (b *backend) end(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.now[id]--; b.now[id] == 0 {
		delete(b.now, id)
	}
}

// attempts is how many different attempts of an execution were made.
func (b *backend) attempts(id string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.calls[id])
}
