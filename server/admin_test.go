package server

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"simplane/core"
)

func mustID(t *testing.T, text string) core.ID {
	t.Helper()
	id, err := core.ParseID(text)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

const runtimeConfigPath = "/v1/admin/runtime-config"

func TestRuntimeConfigAPI(t *testing.T) {
	f := start(t, func(c *Config) { c.Core.RateMaxPerSecond = 1000 })
	f.register("fn", "LOCAL")
	before := f.get(runtimeConfigPath).expect(200)
	revision := int(before.num("revision"))
	if before.num("rateMaxPerSecond") != 1000 || before.raw("syncQueueEnabled") != "false" || before.raw("syncQueueAdmissionEnabled") != "true" ||
		before.str("syncQueueMaxEstimatedWait") != "PT2S" || before.num("syncQueueRetryAfterSeconds") != 2 {
		t.Errorf("before: %s", before.body)
	}
	patch := func(body string, args ...any) *answer {
		return f.do("PATCH", runtimeConfigPath, fmt.Sprintf(body, args...))
	}

	after := patch(`{"expectedRevision":%d,"syncQueueEnabled":true,"syncQueueMaxQueueWait":"PT0.5S","syncQueueMaxEstimatedWait":"PT0.5S","syncQueueRetryAfterSeconds":9}`, revision).expect(200)
	if int(after.num("revision")) != revision+1 || after.raw("syncQueueEnabled") != "true" || after.str("syncQueueMaxQueueWait") != "PT0.5S" ||
		after.num("syncQueueRetryAfterSeconds") != 9 || after.num("rateMaxPerSecond") != 1000 {
		t.Errorf("after: %s", after.body)
	}
	if got := f.get(runtimeConfigPath); string(got.body) != string(after.body) {
		t.Errorf("GET says %s, PATCH said %s", got.body, after.body)
	}
	if q := f.s.only.core.SyncQueue(); !q.Enabled || q.MaxQueueWait != 500*ms {
		t.Errorf("in force: %+v", q)
	}

	// A stale revision, and whatever else is refused, changes nothing: not even
	// the values that are right.
	if a := patch(`{"expectedRevision":%d,"rateMaxPerSecond":5}`, revision).refused(409, "REVISION_CONFLICT"); int(a.num("currentRevision")) != revision+1 {
		t.Errorf("a stale revision: %s", a.body)
	}
	patch(`{"rateMaxPerSecond":5}`).expect(400)
	patch(`{"expectedRevision":%d,"rateMaxPerSecond":`, revision+1).refused(400, "MALFORMED_JSON")
	for _, values := range []string{
		`"rateMaxPerSecond":"5"`, `"syncQueueEnabled":1`, `"syncQueueMaxQueueWait":"soon"`, `"syncQueueMaxQueueWait":5`, `"syncQueueMaxEstimatedWait":"2s"`,
		`"syncQueueMaxQueueWait":""`, `"syncQueueMaxDepth":1.5`,
	} {
		patch(`{"expectedRevision":%d,"rateMaxPerSecond":5,%s}`, revision+1, values).refused(400, "VALIDATION_ERROR")
		f.post(runtimeConfigPath+"/validate", "{"+values+"}").refused(400, "VALIDATION_ERROR")
	}
	for _, values := range []string{
		`"syncQueueMaxQueueWait":"PT0S"`, `"syncQueueMaxEstimatedWait":"-PT1S"`, `"syncQueueRetryAfterSeconds":0`, `"syncQueueRetryAfterSeconds":-1`,
		`"syncQueueMaxDepth":0`, `"syncQueueMaxConcurrency":-1`, `"syncQueueMaxQueueWait":"P9999999Y"`,
	} {
		a := patch(`{"expectedRevision":%d,"rateMaxPerSecond":5,%s}`, revision+1, values).refused(422, "VALIDATION_ERROR")
		if name := strings.Trim(strings.SplitN(values, ":", 2)[0], `"`); !strings.HasPrefix(a.details(), name+": ") {
			t.Errorf("%s: details %q", values, a.details())
		}
		f.post(runtimeConfigPath+"/validate", "{"+values+"}").refused(422, "VALIDATION_ERROR")
	}
	// The first two are far beyond what a duration can be, the last as far below.
	for text, want := range map[string]string{"P9999999Y": "at most 100 years", "P290Y4100MT2600000H": "at most 100 years", "P101Y": "at most 100 years", "-P9999999Y": "greater than 0"} {
		a := patch(`{"expectedRevision":%d,"syncQueueMaxQueueWait":"%s"}`, revision+1, text).refused(422, "VALIDATION_ERROR")
		if a.details() != "syncQueueMaxQueueWait: must be "+want {
			t.Errorf("%s: details %q", text, a.details())
		}
	}
	patch(`{"expectedRevision":%d,"rateMaxPerSecond":-1}`, revision+1).refused(422, "VALIDATION_ERROR")
	patch(`{"expectedRevision":%d,"rateMaxPerSecond":99999999999}`, revision+1).refused(422, "VALIDATION_ERROR")
	if got := f.get(runtimeConfigPath); string(got.body) != string(after.body) {
		t.Errorf("refused changes led to %s", got.body)
	}

	if a := f.post(runtimeConfigPath+"/validate", `{"rateMaxPerSecond":5}`).expect(200); a.raw("valid") != "true" {
		t.Errorf("validate: %s", a.body)
	}
	if got := f.get(runtimeConfigPath); string(got.body) != string(after.body) {
		t.Errorf("validating led to %s", got.body)
	}
	if log := f.log.String(); !strings.Contains(log, "runtime configuration changed") {
		t.Error("the change is not in the log")
	}
}

// The change holds for the very next request.
func TestRuntimeConfigRateTakesEffect(t *testing.T) {
	f := start(t)
	f.register("fn", "LOCAL")
	f.do("PATCH", runtimeConfigPath, fmt.Sprintf(`{"expectedRevision":%v,"rateMaxPerSecond":1}`, f.get(runtimeConfigPath).raw("revision"))).expect(200)
	refused := 0
	for range 3 {
		if f.invoke("fn", `1`).status == 429 {
			refused++
		}
	}
	if refused == 0 {
		t.Error("nothing was refused at a rate of 1")
	}
}

// What is admitted on an estimate must be allowed to wait so long.
func TestAnEstimatedWaitAboveTheQueueWaitIsRefused(t *testing.T) {
	f := start(t)
	for _, c := range []struct {
		values string
		right  bool
	}{
		{`"syncQueueMaxQueueWait":"PT1.999S"`, false}, // the other one is PT2S
		{`"syncQueueMaxEstimatedWait":"PT2.001S"`, false},
		{`"syncQueueMaxEstimatedWait":"PT3S","syncQueueMaxQueueWait":"PT2.5S"`, false},
		{`"syncQueueMaxQueueWait":"PT2S"`, true},
		{`"syncQueueMaxEstimatedWait":"PT0.5S","syncQueueMaxQueueWait":"PT0.5S"`, true},
		{`"syncQueueMaxEstimatedWait":"PT0.25S"`, true},
		{`"syncQueueMaxQueueWait":"PT9S"`, true},
	} {
		revision := f.get(runtimeConfigPath).raw("revision")
		check := f.post(runtimeConfigPath+"/validate", "{"+c.values+"}")
		a := f.do("PATCH", runtimeConfigPath, `{"expectedRevision":`+revision+`,`+c.values+`}`)
		if c.right {
			check.expect(200)
			a.expect(200)
			continue
		}
		for _, a := range []*answer{check, a} {
			if a.refused(422, "VALIDATION_ERROR"); !strings.HasPrefix(a.details(), "syncQueueMaxEstimatedWait: must be at most syncQueueMaxQueueWait") {
				t.Errorf("%s: %s", c.values, a.body)
			}
		}
		if now := f.get(runtimeConfigPath).raw("revision"); now != revision {
			t.Errorf("%s: revision %s, then %s", c.values, revision, now)
		}
	}

	// A server that was started so can still be changed otherwise.
	f = start(t, func(c *Config) { c.Core.SyncQueue.MaxEstimatedWait, c.Core.SyncQueue.MaxQueueWait = 900*ms, 100*ms })
	f.do("PATCH", runtimeConfigPath, `{"expectedRevision":1,"rateMaxPerSecond":5}`).expect(200)
	f.do("PATCH", runtimeConfigPath, `{"expectedRevision":2,"syncQueueMaxQueueWait":"PT0.2S"}`).refused(422, "VALIDATION_ERROR")
}

// Older clients read the values in effectiveConfig, and when they came.
func TestRuntimeConfigTellsOfItsChange(t *testing.T) {
	f := start(t)
	type told struct {
		effective, changeID string
		at                  time.Time
	}
	read := func(a *answer) told {
		t.Helper()
		at, err := time.Parse(time.RFC3339Nano, a.str("appliedAt"))
		if err != nil || a.str("changeId") == "" {
			t.Errorf("%s: %v", a.body, err)
		}
		values, _ := a.value("effectiveConfig").(map[string]any)
		for key, v := range values {
			if v != a.value(key) {
				t.Errorf("%s is %v in effectiveConfig: %s", key, v, a.body)
			}
		}
		if len(values) != 9 {
			t.Errorf("%d values: %s", len(values), a.body)
		}
		return told{a.raw("effectiveConfig"), a.str("changeId"), at}
	}
	metrics := func(revision, updates string) {
		t.Helper()
		page := string(f.get("/actuator/prometheus").expect(200).body)
		for _, line := range []string{"\ncontrolplane_runtime_config_revision " + revision + "\n", "\ncontrolplane_runtime_config_updates_total " + updates + "\n"} {
			if !strings.Contains(page, line) {
				t.Errorf("the page does not have %q", line)
			}
		}
	}
	metrics("1", "0")
	first := read(f.get(runtimeConfigPath).expect(200))
	if again := read(f.get(runtimeConfigPath).expect(200)); again != first {
		t.Errorf("read again: %v, %v", first, again)
	}
	f.do("PATCH", runtimeConfigPath, `{"expectedRevision":9,"rateMaxPerSecond":5}`).expect(409)
	metrics("1", "0")
	second := read(f.do("PATCH", runtimeConfigPath, `{"expectedRevision":1,"rateMaxPerSecond":5}`).expect(200))
	if second.changeID == first.changeID || second.at.Before(first.at) || !strings.Contains(second.effective, `"rateMaxPerSecond":5`) {
		t.Errorf("changed: %v, then %v", first, second)
	}
	metrics("2", "1")
}

// Of racing changes with the same revision exactly one is made.
func TestRuntimeConfigRacingChanges(t *testing.T) {
	f := start(t)
	revision := f.get(runtimeConfigPath).raw("revision")
	var made atomic.Int32
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			a, err := f.try(f.api, "PATCH", runtimeConfigPath, fmt.Sprintf(`{"expectedRevision":%s,"rateMaxPerSecond":%d}`, revision, i+1))
			switch {
			case err != nil:
				t.Error(err)
			case a.status == 200:
				made.Add(1)
			case a.status != 409:
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	all.Wait()
	if n := made.Load(); n != 1 {
		t.Errorf("%d of 16 changes were made", n)
	}
}

func TestDeadLettersAPI(t *testing.T) {
	f := start(t)
	var heal atomic.Bool
	f.s.HandleLocal("fn", func(task core.Task) ([]byte, error) {
		if heal.Load() {
			return task.Input, nil
		}
		return nil, fmt.Errorf("no")
	})
	f.register("fn", "LOCAL", `"maxRetries":0`)
	const path = "/v1/functions/fn/dead-letters"
	if a := f.get(path).expect(200); string(a.body) != `{"deadLetters":[],"dropped":0,"truncated":false}` {
		t.Errorf("at first: %s", a.body)
	}
	var ids []string
	for i := range 3 {
		f.post("/v1/functions/fn:invoke", `{"input":{"n":-1}}`).expect(200) // its caller was told: no letter
		a := f.post("/v1/functions/fn:enqueue", fmt.Sprintf(`{"input":{"n":%d},"metadata":{"k":"v"}}`, i)).expect(202)
		ids = append(ids, a.str("executionId"))
		f.ended(ids[i])
	}
	list := f.get(path + "?include=input").expect(200)
	letters, _ := list.value("deadLetters").([]any)
	if len(letters) != 3 || !strings.Contains(string(list.body), `"input":{"n":2},"metadata":{"k":"v"}`) {
		t.Fatalf("list: %s", list.body)
	}
	if newest := letters[0].(map[string]any)["executionId"]; newest != ids[2] {
		t.Errorf("the first of the list is %v, not the newest %s", newest, ids[2])
	}
	if one, _ := f.get(path + "?limit=1").expect(200).value("deadLetters").([]any); len(one) != 1 {
		t.Errorf("limit=1: %d letters", len(one))
	}
	for _, query := range []string{"limit=0", "limit=-1", "limit=x", "limit=1001", "cursor=x", "cursor=0", "cursor=-1", "include=output"} {
		f.get(path+"?"+query).refused(400, "VALIDATION_ERROR")
	}

	heal.Store(true)
	a := f.post(path+":redrive", fmt.Sprintf(`{"ids":[%q,"nonsense","7e0f8f0a-3b86-4c0e-9a34-0f6f0f2f3f11"]}`, ids[0])).expect(200)
	redriven, _ := a.value("redriven").([]any)
	failed, _ := a.value("failed").([]any)
	if len(redriven) != 1 || len(failed) != 2 {
		t.Fatalf("redrive: %s", a.body)
	}
	again := redriven[0].(map[string]any)
	if again["id"] != ids[0] {
		t.Errorf("redriven: %v", again)
	}
	if e := f.ended(fmt.Sprint(again["executionId"])); e.raw("output") != `{"n":0}` {
		t.Errorf("the new execution: %s", e.body)
	}
	if a := f.post(path+":redrive", `{"all":true}`).expect(200); strings.Count(string(a.body), `"executionId"`) != 2 {
		t.Errorf("redrive all: %s", a.body)
	}
	f.eventually("all done", func() bool { q, r := f.s.only.core.Unfinished(); return q+r == 0 })
	for _, body := range []string{`{}`, `{"ids":[]}`, `{"all":false}`, `{"ids":["x"],"all":true}`, `{"ids":"x"}`, `{"ids":[1]}`} {
		f.post(path+":redrive", body).refused(400, "VALIDATION_ERROR")
	}

	heal.Store(false)
	f.invoke("fn", `1`).expect(200)
	f.do("DELETE", path, "").expect(204)
	if a := f.get(path).expect(200); string(a.body) != `{"deadLetters":[],"dropped":0,"truncated":false}` {
		t.Errorf("after the purge: %s", a.body)
	}
	for _, call := range [][3]string{
		{"GET", "/v1/functions/none/dead-letters", ""}, {"DELETE", "/v1/functions/none/dead-letters", ""}, {"POST", "/v1/functions/none/dead-letters:redrive", `{"all":true}`},
	} {
		f.do(call[0], call[1], call[2]).refused(404, "NOT_FOUND")
	}
}

func TestExecutionSearchAndStats(t *testing.T) {
	f := start(t)
	g := f.hold("slow")
	f.s.HandleLocal("bad", func(core.Task) ([]byte, error) { return nil, fmt.Errorf("no") })
	f.register("echo", "LOCAL")
	f.register("slow", "LOCAL", `"concurrency":1,"queueSize":1`)
	f.register("bad", "LOCAL", `"maxRetries":1`)
	f.invoke("echo", `1`).expect(200)
	newest := f.invoke("echo", `2`).expect(200).str("executionId")
	f.ended(f.enqueue("bad", `1`).expect(202).str("executionId"))
	f.enqueue("slow", `1`).expect(202)
	g.arrival(t)
	f.enqueue("slow", `1`).expect(202)
	f.enqueue("slow", `1`).refused(429, "QUEUE_FULL")

	for query, want := range map[string]int{
		"": 5, "?function=echo": 2, "?status=success": 2, "?status=error": 1, "?status=queued": 1, "?status=RUNNING": 1, "?status=timeout": 0,
		"?function=slow&status=queued": 1, "?limit=2": 2, "?before=1": 0, "?before=99999999999999": 5, "?before=9223372036854775807": 5,
		"?since=1": 5, "?since=99999999999999": 0, "?status=error,queued": 2, "?code=LOCAL_ERROR": 1, "?code=BOOM": 0, "?key=k": 0,
	} {
		a := f.get("/v1/admin/executions" + query).expect(200)
		if found, _ := a.value("executions").([]any); len(found) != want {
			t.Errorf("%s: %d found, want %d: %s", query, len(found), want, a.body)
		}
	}
	if found := f.get("/v1/admin/executions?function=echo&limit=1"); !strings.Contains(string(found.body), newest) || found.raw("truncated") != "true" {
		t.Errorf("not the newest, or not said to be cut: %s", found.body)
	}
	f.get("/v1/admin/executions?function=none").refused(404, "NOT_FOUND")
	for _, query := range []string{"?status=done", "?status=error,", "?limit=0", "?before=yesterday", "?since=x", "?cursor=x", "?cursor=%00", "?include=input"} {
		f.get("/v1/admin/executions"+query).refused(400, "VALIDATION_ERROR")
	}

	st := f.get("/v1/functions/slow/stats").expect(200)
	if st.num("queueDepth") != 1 || st.num("inFlight") != 1 || st.num("queueSize") != 1 || st.num("effectiveConcurrency") != 1 || st.num("rejected") != 1 || st.num("enqueued") != 2 {
		t.Errorf("slow: %s", st.body)
	}
	st = f.get("/v1/functions/bad/stats").expect(200)
	if st.num("error") != 1 || st.num("retries") != 1 || st.num("dispatched") != 2 || st.num("deadLetters") != 1 {
		t.Errorf("bad: %s", st.body)
	}
	f.get("/v1/functions/none/stats").refused(404, "NOT_FOUND")
	all := f.get("/v1/admin/stats").expect(200)
	if all.num("functions", "echo", "success") != 2 || all.num("storedExecutions") != 5 {
		t.Errorf("all: %s", all.body)
	}
}

func TestLogsOfFunctionsWithoutAProvider(t *testing.T) {
	f := start(t)
	f.register("fn", "LOCAL")
	f.get("/v1/functions/fn/logs").refused(400, "VALIDATION_ERROR")
	f.get("/v1/functions/none/logs").refused(404, "NOT_FOUND")
}
