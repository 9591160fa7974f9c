package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

// job is a function's input: it says what the function shall do, so that the
// client knows which outcomes are right.
type job struct {
	N  int64  `json:"n"`
	Do string `json:"do"`
	MS int    `json:"ms"`
}

// What a function can be asked to do.
const (
	doOK       = "ok"
	doFail     = "fail"     // answer with an error
	doFlaky    = "flaky"    // fail the first attempt, then succeed
	doDrop     = "drop"     // hang up in place of an answer
	doGarbage  = "garbage"  // answer what is not JSON
	doSlow     = "slow"     // answer after the deadline
	doCallback = "callback" // complete by callback first, then answer something else
	doCrash    = "crash"    // end the process
)

// backend is the POOL function of the soak: one HTTP server for all of them.
type backend struct {
	*httptest.Server
	internal string // where callbacks go: http://host:port

	mu   sync.Mutex
	seen map[string]bool // executions whose first attempt was failed on purpose
}

func newBackend() *backend {
	b := &backend{seen: map[string]bool{}}
	b.Server = httptest.NewServer(b)
	return b
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Input job `json:"input"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	j := body.Input
	select {
	case <-time.After(time.Duration(j.MS) * time.Millisecond):
	case <-r.Context().Done(): // the caller gave up
		return
	}
	switch j.Do {
	case doFail:
		http.Error(w, "as asked", http.StatusInternalServerError)
	case doFlaky:
		if b.first(r.Header.Get("X-Execution-Id")) {
			http.Error(w, "as asked, once", http.StatusBadGateway)
			return
		}
		answer(w, j.N)
	case doDrop:
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			conn.Close()
		}
	case doGarbage:
		w.Header().Set("Content-Type", "application/json") // a text would be a string
		fmt.Fprint(w, "<html>")
	case doCallback:
		b.callBack(r, j)
		answer(w, -j.N) // too late: the callback's result must stand
	default:
		answer(w, j.N)
	}
}

func answer(w http.ResponseWriter, n int64) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"n":%d}`, n)
}

// first reports whether this is the execution's first attempt.
func (b *backend) first(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.seen[id] {
		delete(b.seen, id)
		return false
	}
	b.seen[id] = true
	return true
}

// callBack completes the execution with the token that came with it.
func (b *backend) callBack(r *http.Request, j job) {
	url := b.internal + "/v1/internal/executions/" + r.Header.Get("X-Execution-Id") + ":complete"
	req, err := http.NewRequest("POST", url, strings.NewReader(fmt.Sprintf(`{"status":"success","output":{"n":%d}}`, j.N)))
	if err != nil {
		return
	}
	req.Header.Set("X-Completion-Token", r.Header.Get("X-Completion-Token"))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
}
