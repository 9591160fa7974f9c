package process

import (
	"context"
	"testing"
	"time"

	"simplane/server/provider"
)

// TestAutoscaledFunctionThatDoesNotStartKeepsItsBackoff: an autoscaler repeats
// its call while instances are missing. That must not start a broken function
// over and over.
func TestAutoscaledFunctionThatDoesNotStartKeepsItsBackoff(t *testing.T) {
	p := start(t, Options{BackoffBase: time.Hour, BackoffMax: time.Hour})
	provision(t, p, provider.Deployment{
		Name: "broken", Commands: []string{"/nonexistent/command"}, RuntimeMode: provider.STDIO,
		ScalingStrategy: provider.ScaleInternal, MaxReplicas: 3,
	})
	want := func() {
		t.Helper()
		if err := p.SetReplicas(context.Background(), "broken", 1); err != nil {
			t.Fatal(err)
		}
	}
	want()
	var st provider.Status
	eventually(t, "the first start fails", func() bool {
		st, _ = p.Status("broken")
		return st.LastError != ""
	})
	if st.Desired != 1 {
		t.Errorf("%d instances are wanted after the failure, the autoscaler wanted 1", st.Desired)
	}
	for range 100 {
		want()
	}
	if st, _ = p.Status("broken"); st.Starting != 0 || st.Restarts != 1 {
		t.Errorf("repeated calls started it again: %+v", st)
	}
	wantCode(t, invoke(t, p, "broken", `1`), "FUNCTION_START_FAILED")
}
