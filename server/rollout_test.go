package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// answersVersion is a STDIO function that answers with $VERSION.
const answersVersion = `while read line; do echo "{\"output\":\"$VERSION\"}"; done`

func versionSpec(version, command string) string {
	return fmt.Sprintf(`{"image":"i","runtimeMode":"STDIO","runtimeCommand":%q,"env":{"VERSION":%q},
		"scalingConfig":{"strategy":"NONE","minReplicas":1,"maxReplicas":2}}`, command, version)
}

func TestChangeThatDoesNotStartIsSaidAndHarmsNobody(t *testing.T) {
	f := start(t, quickScaling)
	f.put("fn", versionSpec("1", answersVersion)).expect(201)
	answers := func(version string) {
		t.Helper()
		if a := f.invoke("fn", `1`).expect(200); a.str("output") != version {
			t.Fatalf("%s, want version %s", a.body, version)
		}
	}
	answers("1")
	var queued []string
	a := f.put("fn", versionSpec("2", "echo no such setting >&2; exit 3")).expect(200)
	if a.str("rollout", "state") != "progressing" {
		t.Errorf("at once: %s", a.body)
	}
	f.eventually("the change is given up", func() bool {
		queued = append(queued, f.enqueue("fn", `1`).expect(202).str("executionId"))
		answers("1")
		a = f.get("/v1/functions/fn").expect(200)
		rollout, _ := a.value("rollout").(map[string]any)
		return rollout["state"] == "failed"
	})
	for _, part := range []string{"FUNCTION_START_FAILED", "code 3", "no such setting"} {
		if m := a.str("rollout", "message"); !strings.Contains(m, part) {
			t.Errorf("message %q has no %q", m, part)
		}
	}
	for _, id := range queued {
		if e := f.ended(id); e.str("status") != "success" {
			t.Errorf("%s", e.body)
		}
	}
	failedAt := func(generations ...string) {
		t.Helper()
		r := f.get("/v1/functions/fn/revisions").expect(200)
		list, _ := r.value().([]any)
		for _, e := range list {
			rev := e.(map[string]any)
			if failed := slices.Contains(generations, fmt.Sprint(rev["generation"])); (rev["failed"] == true) != failed {
				t.Errorf("revisions: %s; want failed %v", r.body, generations)
			}
		}
		if strings.Contains(string(r.body), "rollout") {
			t.Errorf("revisions: %s", r.body)
		}
	}
	failedAt("2")
	if list := f.get("/v1/functions").expect(200); !strings.Contains(string(list.body), `"rollout":{"state":"failed"`) {
		t.Errorf("list: %s", list.body)
	}
	if n := f.series(`function_rollout{function="fn",state="failed"}`); n != 1 {
		t.Errorf("the metric of the failed rollout is %v", n)
	}

	// What was shown can be sent again; it fails again.
	if a = f.put("fn", string(a.body)).expect(200); a.str("rollout", "state") != "progressing" || a.num("generation") != 3 {
		t.Errorf("sent again: %s", a.body)
	}
	failedAt("2")
	f.post("/v1/functions/fn:rollback", `{"generation":1}`).expect(200)
	failedAt("2")
	if a = f.get("/v1/functions/fn").expect(200); strings.Contains(string(a.body), "rollout") {
		t.Errorf("taken back: %s", a.body)
	}
	f.put("fn", versionSpec("3", answersVersion)).expect(200)
	f.eventually("the change is through", func() bool {
		return !strings.Contains(string(f.get("/v1/functions/fn").expect(200).body), "rollout")
	})
	answers("3")
}

func TestRolloutIsNoPartOfASpec(t *testing.T) {
	f := start(t)
	f.put("fn", `{"image":"i","executionMode":"LOCAL","rollout":{"state":"failed","message":"m"}}`).expect(201)
	if a := f.get("/v1/functions/fn").expect(200); strings.Contains(string(a.body), "rollout") {
		t.Errorf("%s", a.body)
	}
}
