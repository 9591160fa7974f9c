package sim

import "testing"

// TestRedriveAfterTheEnd: dead letters that are redriven once all load has ended
// are work again, and the run goes on until that has ended, too.
func TestRedriveAfterTheEnd(t *testing.T) {
	r := mustRun(t, parse(t, `
name: redrive
duration: 2s
settle: 2s
functions: [{name: f, maxRetries: 0, behavior: {latency: 3s, failureRate: 1}}]
load: [{function: f, arrivals: {process: burst, at: 1s, count: 3}}]
faults: [{at: 6s, kind: redrive, function: f}]
`), Options{})
	if got := r.Total.Get("error"); got != 6 {
		t.Errorf("%d executions have failed, want 3 and again 3", got)
	}
}

// TestClockJumpWhileAFunctionIsDeleted: the queue of a deleted function and what
// pauses end in batches at one instant, and whatever else is due then may come
// between them, in an order of the seed.
func TestClockJumpWhileAFunctionIsDeleted(t *testing.T) {
	sc := parse(t, `
name: deleted
duration: 5s
functions: [{name: f, copies: 4, maxRetries: 3, retryBackoff: {initialMs: 9000}, behavior: {failureRate: 1}}]
load: [{function: f, arrivals: {process: burst, count: 3}}]
faults:
  - {at: 3s, kind: delete-function, function: f}
  - {at: 3s, kind: clock-jump, by: 1s}
`)
	for sc.Seed = range 30 {
		if got := mustRun(t, sc, Options{}).Total.Get("error"); got != 12 {
			t.Fatalf("seed %d: %d executions have ended with the function, want 12", sc.Seed, got)
		}
	}
}
