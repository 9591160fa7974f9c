//go:build slow

package abuse

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// While long queues end, others are served.
func TestDeletingLongQueuesHoldsNobodyUp(t *testing.T) {
	const (
		functions = 5
		queued    = 200_000
		bound     = 5 * time.Millisecond // of the 99th percentile; other processes have their turns, too
	)
	v := start(t, "--scheduler", "off")
	v.register(`{"name":"other","image":"none","executionMode":"LOCAL"}`)
	id := ""
	for i := range functions {
		id = v.fillQueue(fmt.Sprint("f", i), queued)
	}
	before := v.memory().Resident
	v.call("GET", v.API+"/v1/executions/"+id, "")
	var took []time.Duration
	began := time.Now()
	grown := v.peakGrowth(func() {
		var all sync.WaitGroup
		for i := range functions {
			all.Go(func() {
				c := &http.Client{Timeout: hangGuard, Transport: &http.Transport{}}
				defer c.CloseIdleConnections()
				r, _ := http.NewRequest("DELETE", fmt.Sprint(v.API, "/v1/functions/f", i), nil)
				if a, err := c.Do(r); err != nil || a.StatusCode != http.StatusNoContent {
					t.Errorf("deleting f%d: %v %v", i, a, err)
				}
			})
		}
		ended := make(chan struct{})
		go func() { all.Wait(); close(ended) }()
		for n := 0; ; n++ {
			select {
			case <-ended:
				return
			default:
			}
			asked := time.Now()
			if n%2 == 0 {
				v.call("GET", v.API+"/v1/executions/"+id, "")
			} else {
				v.call("POST", v.API+"/v1/functions/other:invoke", `{"input":1}`)
			}
			took = append(took, time.Since(asked))
			time.Sleep(200 * time.Microsecond)
		}
	})
	slices.Sort(took)
	p99 := took[len(took)*99/100]
	t.Logf("%d x %d queued ended in %v; RSS %d MiB, grown by %d MiB; %d calls of others: p50 %v, p99 %v, max %v",
		functions, queued, time.Since(began), before/mib, grown/mib, len(took), took[len(took)/2], p99, took[len(took)-1])
	if p99 > bound {
		t.Errorf("others waited %v", p99)
	}
}
