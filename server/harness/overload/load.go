package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// answer is what became of one request.
type answer struct {
	sent, ended time.Time
	status      string // success, error, timeout, or the code it was refused with
	attempt     int    // of the client, from 0
}

// driver sends invocations and keeps the answers.
type driver struct {
	url    string // of :invoke
	client *http.Client
	// timeout is the caller's patience, told to the server as X-Timeout-Ms.
	timeout time.Duration
	// retries after a failure, each after wait without growth or jitter: the
	// worst of clients.
	retries int
	wait    time.Duration

	mu      sync.Mutex
	answers []answer
	wg      sync.WaitGroup
}

func newDriver(api string, timeout time.Duration) *driver {
	return &driver{
		url: api + "/v1/functions/work:invoke", timeout: timeout,
		client: &http.Client{
			Timeout:   timeout + 10*time.Second,
			Transport: &http.Transport{MaxIdleConnsPerHost: 4096, IdleConnTimeout: 20 * time.Second},
		},
	}
}

// once invokes once; sent is when the request was due.
func (d *driver) once(sent time.Time, attempt int) (ok bool) {
	a := answer{sent: sent, attempt: attempt, status: "NO_ANSWER"}
	req, _ := http.NewRequest("POST", d.url, bytes.NewReader([]byte(`{"input":1}`)))
	req.Header.Set("X-Timeout-Ms", strconv.FormatInt(d.timeout.Milliseconds(), 10))
	resp, err := d.client.Do(req)
	if err == nil {
		raw, readErr := io.ReadAll(resp.Body)
		resp.Body.Close()
		var body struct {
			Status string `json:"status"`
			Error  any    `json:"error"`
		}
		if readErr == nil && json.Unmarshal(raw, &body) == nil {
			a.status = body.Status
			if code, refused := body.Error.(string); refused {
				a.status = code
			}
		}
	}
	a.ended = time.Now()
	d.mu.Lock()
	d.answers = append(d.answers, a)
	d.mu.Unlock()
	return a.status == "success"
}

// request invokes and, if the driver is told so, tries again.
func (d *driver) request(due time.Time) {
	for attempt := 0; !d.once(due, attempt) && attempt < d.retries; attempt++ {
		time.Sleep(d.wait)
		due = time.Now()
	}
}

// open offers rate requests a second until ctx ends, whatever becomes of them,
// and waits for the last answer.
func (d *driver) open(ctx context.Context, rate float64) {
	rng := rand.New(rand.NewPCG(1, uint64(rate)))
	for due := time.Now(); ctx.Err() == nil; {
		due = due.Add(time.Duration(rng.ExpFloat64() / rate * float64(time.Second)))
		time.Sleep(time.Until(due))
		d.wg.Go(func() { d.request(due) })
	}
	d.wg.Wait()
}

// saturate keeps workers requests under way until ctx ends.
func (d *driver) saturate(ctx context.Context, workers int) {
	for range workers {
		d.wg.Go(func() {
			for ctx.Err() == nil {
				d.once(time.Now(), 0)
			}
		})
	}
	d.wg.Wait()
}

// count is how many answers there are by status.
func (d *driver) count() map[string]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := map[string]int{}
	for _, a := range d.answers {
		n[a.status]++
	}
	return n
}

// goodput is the successes a second that ended while the load lasted.
func (d *driver) goodput(began time.Time, load time.Duration) float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	good := 0
	for _, a := range d.answers {
		if a.status == "success" && a.ended.Before(began.Add(load)) {
			good++
		}
	}
	return float64(good) / load.Seconds()
}

// latency is a quantile of the successes, from when they were due.
func (d *driver) latency(q float64) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []time.Duration
	for _, a := range d.answers {
		if a.status == "success" {
			all = append(all, a.ended.Sub(a.sent))
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[min(int(q*float64(len(all))), len(all)-1)]
}

// perSecond is how many successes ended in each second since began.
func (d *driver) perSecond(began time.Time, seconds int) []int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := make([]int, seconds)
	for _, a := range d.answers {
		if i := int(a.ended.Sub(began) / time.Second); a.status == "success" && a.ended.After(began) && i < seconds {
			n[i]++
		}
	}
	return n
}
