package abuse

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// Large sync calls filled the store with payloads that their callers had been
// given already: after 6 s all work was refused for two minutes.
func TestAnsweredCallsDoNotFillTheStore(t *testing.T) {
	const (
		payloadBound = 32 * mib
		calls        = 200
		callBytes    = mib
		growthBound  = 8 * payloadBound // with what is garbage until the next collection
	)
	v := start(t, "--max-payload-bytes", fmt.Sprint(payloadBound))
	v.register(`{"name":"echo","image":"none","executionMode":"LOCAL"}`)
	body := `{"input":"` + strings.Repeat("x", callBytes) + `"}`
	grown := v.peakGrowth(func() {
		for i := range calls {
			if a := v.call("POST", v.API+"/v1/functions/echo:invoke", body); a.Status != http.StatusOK {
				t.Fatalf("call %d of %d: %d %.200s", i, calls, a.Status, a.Body)
			}
			if held := v.metric("simplane_payload_bytes"); held > payloadBound {
				t.Fatalf("after call %d %.0f bytes are held, the bound is %d", i, held, payloadBound)
			}
		}
	})
	v.atMost(fmt.Sprintf("%d calls of %d bytes under a bound of %d", calls, callBytes, payloadBound), grown, growthBound)

	// Work that nobody has seen the result of is not dropped for it.
	accepted := 0
	for range calls {
		a := v.call("POST", v.API+"/v1/functions/echo:enqueue", body)
		if a.Status != http.StatusAccepted {
			break
		}
		accepted++
	}
	if accepted == 0 || accepted > payloadBound/callBytes {
		t.Errorf("%d async executions of %d bytes under a bound of %d", accepted, callBytes, payloadBound)
	}
	if a := v.call("POST", v.API+"/v1/functions/echo:invoke", body); a.Status != http.StatusServiceUnavailable || !strings.Contains(string(a.Body), "STORE_FULL") {
		t.Errorf("a call when all is async work: %d %.200s", a.Status, a.Body)
	}
	v.healthy()
}
