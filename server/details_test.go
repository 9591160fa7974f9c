package server

import (
	"strings"
	"testing"
	"time"
)

// An execution's answer shows what its caller has sent: bounded unless asked for,
// and for as long as the payload is kept.
func TestExecutionShowsWhatWasSent(t *testing.T) {
	f := start(t)
	f.register("fn", "LOCAL", `"concurrency":1`)
	id := f.post("/v1/functions/fn:invoke", `{"input":{"n":1.50},"metadata":{"who":"me"}}`, "Idempotency-Key", "key \"1\"", "X-Trace-Id", "t1").expect(200).str("executionId")
	e := f.get("/v1/executions/" + id).expect(200)
	if !strings.Contains(string(e.body), `"input":{"n":1.50}`) || e.str("metadata", "who") != "me" || e.str("idempotencyKey") != `key "1"` || e.str("traceId") != "t1" {
		t.Errorf("shown: %s", e.body)
	}
	if bare := f.get("/v1/executions/" + f.invoke("fn", `1`).expect(200).str("executionId")).expect(200); strings.Contains(string(bare.body), "idempotencyKey") ||
		strings.Contains(string(bare.body), "metadata") || bare.raw("input") != "1" {
		t.Errorf("with an input alone: %s", bare.body)
	}

	for bytes, shown := range map[int]bool{4096: true, 4097: false} {
		input, note := `"`+strings.Repeat("x", bytes-2)+`"`, strings.Repeat("y", bytes-len(`{"m":""}`))
		id := f.post("/v1/functions/fn:invoke", `{"input":`+input+`,"metadata":{"m":"`+note+`"}}`).expect(200).str("executionId")
		e := f.get("/v1/executions/" + id).expect(200)
		if got := e.raw("input") == input && e.str("metadata", "m") == note; got != shown {
			t.Errorf("%d bytes are shown: %v", bytes, got)
		}
		if !shown && (e.num("inputBytes") != float64(bytes) || e.num("metadataBytes") != float64(bytes) || e.value("input") != nil) {
			t.Errorf("%d bytes: %v and %v are said", bytes, e.num("inputBytes"), e.num("metadataBytes"))
		}
		whole := f.get("/v1/executions/" + id + "?include=input").expect(200)
		if whole.raw("input") != input || whole.str("metadata", "m") != note {
			t.Errorf("%d bytes, asked for: not shown", bytes)
		}
	}
	f.get("/v1/executions/"+id+"?include=output").refused(400, "VALIDATION_ERROR")
}

func TestWhatWasSentGoesWithThePayload(t *testing.T) {
	f := start(t, func(c *Config) { c.Core.CleanupTTL = 50 * time.Millisecond })
	f.register("fn", "LOCAL")
	id := f.post("/v1/functions/fn:invoke", `{"input":1,"metadata":{"a":"b"}}`, "Idempotency-Key", "k", "X-Trace-Id", "t").expect(200).str("executionId")
	f.eventually("it is cleaned up", func() bool { return f.get("/v1/executions/"+id).value("cleanedUp") == true })
	e := f.get("/v1/executions/" + id + "?include=input").expect(200)
	for _, gone := range []string{"input", "metadata", "idempotencyKey", "traceId", "output"} {
		if e.value(gone) != nil {
			t.Errorf("%s is still shown: %s", gone, e.body)
		}
	}
}
