package abuse

import (
	"bytes"
	"sync"
	"sync/atomic"
	"testing"
)

// maxTraceCost is what the runtime's traces may cost at a time, however many
// ask: one of them in memory, and what the runtime gathers it with.
const maxTraceCost = 96 * mib

// Traces are kept in memory while they are made. Pages of other sites get
// none, and those who may have one get one at a time, however busy the server
// is meanwhile.
func TestTracesAreBounded(t *testing.T) {
	v := start(t, "--internal-token=x")
	v.register(`{"name":"f","image":"local","executionMode":"LOCAL"}`, "Authorization", "Bearer x")
	var took, busy, refused, other atomic.Int64
	grown := v.peakGrowth(func() {
		var asking, working sync.WaitGroup
		done := make(chan struct{})
		for range 8 {
			working.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
						v.call("POST", v.API+"/v1/functions/f:invoke", `{"input":1}`, "Authorization", "Bearer x")
					}
				}
			})
		}
		for range 16 {
			asking.Go(func() { // as <img src=…> of another site does
				a := v.call("GET", v.Mgmt+"/debug/pprof/trace?seconds=8", "", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors")
				count(a.Status == 401, &refused, &other)
			})
			asking.Go(func() {
				a := v.call("GET", v.Mgmt+"/debug/pprof/trace?seconds=5", "", "Authorization", "Bearer x")
				if a.Status == 429 {
					busy.Add(1)
					return
				}
				count(a.Status == 200 && bytes.HasPrefix(a.Body, []byte("go 1.")), &took, &other)
			})
		}
		asking.Wait()
		close(done)
		working.Wait()
	})
	t.Logf("%d traces, %d told to wait, %d refused", took.Load(), busy.Load(), refused.Load())
	if took.Load() == 0 || busy.Load() == 0 || refused.Load() != 16 || other.Load() != 0 {
		t.Errorf("%d traces, %d told to wait, %d refused, %d something else", took.Load(), busy.Load(), refused.Load(), other.Load())
	}
	v.atMost("traces", grown, maxTraceCost)
}

func count(yes bool, ifSo, otherwise *atomic.Int64) {
	if yes {
		ifSo.Add(1)
	} else {
		otherwise.Add(1)
	}
}
