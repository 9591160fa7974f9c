package server

import (
	"testing"
	"time"
)

// A caller that joined an execution under its idempotency key must not be told
// "timeout" at once because the function was deleted meanwhile: what runs
// still ends, and ends once for all its callers.
func TestJoiningADeletedFunctionsExecutionWaitsForItsEnd(t *testing.T) {
	f := start(t)
	f.register("f", "LOCAL", `"timeoutMillis":1500`)
	if got := f.s.functionTimeout("f"); got != 1500*time.Millisecond {
		t.Errorf("limit %v, want the function's 1.5s", got)
	}
	f.do("DELETE", "/v1/functions/f", "").expect(204)
	if got := f.s.functionTimeout("f"); got < time.Hour {
		t.Errorf("limit %v once the function is gone: the caller would give up before the execution ends", got)
	}
}
