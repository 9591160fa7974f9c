package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"simplane/server/harness/node"
)

// counter is a POOL function that counts its runs by idempotency key.
type counter struct {
	*httptest.Server
	mu   sync.Mutex
	runs map[string]int
}

func newCounter(t *testing.T) *counter {
	c := &counter{runs: map[string]int{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get("Idempotency-Key")
		c.mu.Lock()
		c.runs[key]++
		c.mu.Unlock()
		time.Sleep(15 * time.Millisecond) // the work
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, "%q", key)
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *counter) total() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.runs {
		n += k
	}
	return n
}

func (c *counter) spec() string {
	return fmt.Sprintf(`{"name":"work","image":"none","executionMode":"POOL","endpointUrl":%q,"concurrency":4,"queueSize":1000,"maxRetries":0}`, c.URL)
}

// freeAddr is an address that a node can have, and its successor again.
func freeAddr(t *testing.T) string {
	t.Helper()
	addrs, err := node.FreeAddresses("127.0.0.1", 1)
	if err != nil {
		t.Fatal(err)
	}
	return addrs[0]
}

// retry invokes under one key until it has succeeded, through whatever goes
// wrong, and returns the output.
func retry(f *fixture, key string) (string, error) {
	for deadline := time.Now().Add(hangGuard); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		r, err := f.tryInvoke("work", `1`, "Idempotency-Key", key)
		switch {
		case err == nil && r.Status == "success":
			return string(r.Output), nil
		case err != nil, r.HTTP == http.StatusServiceUnavailable, r.HTTP == http.StatusNotFound:
			// Down, draining, or back without the function yet.
		default:
			return "", fmt.Errorf("key %s: %+v", key, r)
		}
	}
	return "", fmt.Errorf("key %s: no success within %v", key, hangGuard)
}

// Clients that retry with idempotency keys come through a restart. SIGTERM
// finishes and answers what was accepted, so that nothing runs twice; after a
// SIGKILL what was lost runs once more in the next life, and never twice in one.
func TestRestartWhileClientsRetry(t *testing.T) {
	for _, tc := range []struct {
		name string
		end  func(*testing.T, *fixture)
		runs int // of one key, over both lives, at most
	}{
		{"SIGTERM", func(t *testing.T, f *fixture) {
			if err := f.Stop(); err != nil {
				t.Errorf("stopping: %v; log:\n%s", err, f.Log())
			}
		}, 1},
		{"SIGKILL", func(_ *testing.T, f *fixture) { f.Kill() }, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			work := newCounter(t)
			opt := node.Options{Addr: freeAddr(t)}
			f := launch(t, opt)
			f.register(work.spec())

			const clients, each = 20, 15
			var wg sync.WaitGroup
			for i := range clients {
				wg.Go(func() {
					for n := range each { // one after the other
						key := fmt.Sprintf("key-%d", i*each+n)
						if out, err := retry(f, key); err != nil || out != fmt.Sprintf("%q", key) {
							t.Errorf("output %s, %v", out, err)
						}
					}
				})
			}
			f.eventually("some work is done", func() bool { return work.total() > clients })
			tc.end(t, f)
			first := work.total()
			if first >= clients*each {
				t.Errorf("all was done before the end, so nothing is proved")
			}
			second := start(t, opt)
			second.register(work.spec())
			wg.Wait()

			work.mu.Lock()
			defer work.mu.Unlock()
			again := 0
			for i := range clients * each {
				n := work.runs[fmt.Sprintf("key-%d", i)]
				if n < 1 || n > tc.runs {
					t.Errorf("key-%d ran %d times, at most %d are right", i, n, tc.runs)
				}
				if n > 1 {
					again++
				}
			}
			t.Logf("%d runs before the end, %d keys ran again after it", first, again)
		})
	}
}
