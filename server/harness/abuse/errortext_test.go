package abuse

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Functions and whoever completes executions choose how long an error message
// is. It was kept until ttl and counted nowhere: 800 MB under a bound of 20 MB.
func TestErrorTextIsBounded(t *testing.T) {
	const (
		payloadBound = 20_000_000
		attacks      = 80
		textBytes    = 4_000_000
		// payloadBound, and what is garbage until the next collection, which a busy machine
		// puts off. Texts that were kept would be 320 MB.
		growthBound = 260 * mib
	)
	// Each attack makes one execution with a text that is not to be kept.
	for name, setUp := range map[string]func(*testing.T, *victim) (attack func()){
		"a function's message": func(_ *testing.T, v *victim) func() {
			v.register(liar(`{"error":{"code":"BAD","message":"%s"}}`, textBytes))
			return func() { v.call("POST", v.API+"/v1/functions/liar:invoke", `{"input":1}`) }
		},
		"a function's error code": func(_ *testing.T, v *victim) func() {
			v.register(liar(`{"error":{"code":"%s","message":"bad"}}`, textBytes))
			return func() { v.call("POST", v.API+"/v1/functions/liar:invoke", `{"input":1}`) }
		},
		"what is beside a function's output": func(_ *testing.T, v *victim) func() {
			v.register(liar(`{"output":1,"x":"%s"}`, textBytes))
			return func() { v.call("POST", v.API+"/v1/functions/liar:invoke", `{"input":1}`) }
		},
		"a completion from outside": func(t *testing.T, v *victim) func() {
			// An endpoint that leaves the end of its executions to its test.
			started, end := make(chan string), make(chan struct{})
			endpoint := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				select {
				case started <- r.Header.Get("X-Execution-Id"):
				case <-end:
				}
				<-end
			}))
			t.Cleanup(endpoint.Close)
			t.Cleanup(func() { close(end) })
			v.register(fmt.Sprintf(`{"name":"held","image":"none","executionMode":"POOL","endpointUrl":%q,"concurrency":1000}`, endpoint.URL))
			body := `{"status":"error","error":{"code":"BAD","message":"` + strings.Repeat("y", textBytes) + `"}}`
			return func() {
				v.call("POST", v.API+"/v1/functions/held:enqueue", `{"input":1}`)
				v.call("POST", v.API+"/v1/internal/executions/"+<-started+":complete", body)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := start(t, "--max-payload-bytes", fmt.Sprint(payloadBound))
			attack := setUp(t, v)
			grown := v.peakGrowth(func() {
				for range attacks {
					attack()
				}
			})
			v.atMost(fmt.Sprintf("%d texts of %d bytes under a bound of %d", attacks, textBytes, payloadBound), grown, growthBound)
			v.healthy()
		})
	}
}

// liar is the spec of a function that answers each call with one line, in which
// %s becomes a text of n bytes.
func liar(line string, n int) string {
	before, after, _ := strings.Cut(line, "%s")
	program := fmt.Sprintf("import sys\nfor l in sys.stdin:\n print(%q+'y'*%d+%q,flush=True)", before, n, after)
	return fmt.Sprintf(`{"name":"liar","image":"none","runtimeMode":"STDIO","maxRetries":0,"commands":["python3","-u","-c",%q]}`, program)
}
