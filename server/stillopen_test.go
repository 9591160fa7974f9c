package server

import (
	"fmt"
	"net"
	"net/http"
	"testing"

	"simplane/server/harness/rawpeer"
)

// A POOL call whose function keeps its answer for ever: the caller hears of the
// end of its execution when that comes, and the slot goes to the next one.
func TestCallerIsWokenWhileItsCallIsOpen(t *testing.T) {
	ids, closed := make(chan string, 1), make(chan struct{}, 1)
	addr := rawpeer.Start(t, func(c net.Conn, r *http.Request, _ int) bool {
		ids <- r.Header.Get("X-Execution-Id")
		for buf := make([]byte, 1024); ; {
			if _, err := c.Read(buf); err != nil {
				closed <- struct{}{}
				return false
			}
		}
	})
	f := start(t)
	f.pool("fn", "http://"+addr+"/", `"concurrency":1`, `"maxRetries":0`, `"timeoutMillis":599000`)
	for i := range 2 {
		go func() {
			id := receive(t, "the call", ids)
			f.post("/v1/internal/executions/"+id+":complete", fmt.Sprintf(`{"status":"success","output":%d}`, i)).expect(204)
		}()
		a := f.post("/v1/functions/fn:invoke", `{"input":1}`).expect(200)
		if want := fmt.Sprintf(`{"executionId":%q,"status":"success","output":%d}`, a.str("executionId"), i); string(a.body) != want {
			t.Errorf("got  %s\nwant %s", a.body, want)
		}
		receive(t, "the end of the function's connection", closed)
	}
}
