package server

import (
	"fmt"
	"strings"
	"testing"

	"simplane/server/funcspec"
)

// specOf is a LOCAL function's spec with n bytes in its environment.
func specOf(name string, n int) string {
	return fmt.Sprintf(`{"name":%q,"image":"i","executionMode":"LOCAL","env":{"A":%q}}`, name, strings.Repeat("x", n))
}

// The bound is one of the stored form, not of the request's body.
func TestSpecsAreBounded(t *testing.T) {
	once(t)
	f := start(t)
	stored := len(f.post("/v1/functions", specOf("f", 0)).expect(201).body)
	largest := funcspec.MaxJSONBytes - stored // at least; the answer has the generation, too
	f.do("PUT", "/v1/functions/f", specOf("f", largest)).expect(200)
	f.do("PUT", "/v1/functions/f", specOf("f", largest+20)).refused(413, "SPEC_TOO_LARGE")
	f.post("/v1/functions", specOf("g", largest+20)).refused(413, "SPEC_TOO_LARGE")
	f.post("/v1/functions", specOf("g", 3<<20)).refused(413, "SPEC_TOO_LARGE") // not even decoded
	f.post("/v1/functions", strings.ReplaceAll(specOf("g", largest), ",", strings.Repeat(" ", 1000)+",")).expect(201)
	if n := len(f.get("/v1/functions/f").expect(200).body); n > funcspec.MaxJSONBytes+len(`,"generation":2`) {
		t.Errorf("a spec of %d bytes is kept", n)
	}
}

// All specs share a bound, with those that a rollback can go back to.
func TestSpecsShareABound(t *testing.T) {
	const each, bound = 10_000, 100_000
	f := start(t, func(c *Config) { c.MaxSpecBytes = bound })
	held := 0
	for f.post("/v1/functions", specOf(fmt.Sprint("f", held), each)).status == 201 {
		held++
	}
	if held != bound/each-1 {
		t.Errorf("%d specs of %d bytes and more under a bound of %d", held, each, bound)
	}
	a := f.post("/v1/functions", specOf("more", each)).refused(503, "SPEC_STORE_FULL")
	if text := a.str("message"); !strings.Contains(text, "maxSpecBytes") || !strings.Contains(text, "delete") {
		t.Errorf("the refusal does not say what to do: %s", text)
	}
	f.do("PUT", "/v1/functions/f0", specOf("f0", each)).refused(503, "SPEC_STORE_FULL")
	if list, _ := f.get("/v1/functions/f0/revisions").expect(200).value().([]any); len(list) != 1 {
		t.Errorf("%d revisions after a refused change", len(list))
	}
	for i := range held {
		f.do("DELETE", fmt.Sprint("/v1/functions/f", i), "").expect(204)
	}
	// One function's revisions fill it, too; the eleventh takes the first one's room.
	f.post("/v1/functions", specOf("one", 8_000)).expect(201)
	for range 30 {
		f.do("PUT", "/v1/functions/one", specOf("one", 8_000)).expect(200)
	}
	f.post("/v1/functions", specOf("two", 2*each)).refused(503, "SPEC_STORE_FULL")
	f.do("DELETE", "/v1/functions/one", "").expect(204)
	f.post("/v1/functions", specOf("two", 2*each)).expect(201)
}

// What a refusal repeats of a bad request is bounded.
func TestRefusalsAreNotLargerThanTheRequest(t *testing.T) {
	once(t)
	f := start(t)
	var env strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&env, `"=%d":"",`, i)
	}
	for name, body := range map[string]string{
		"many violations":  `{"name":"f","image":"i","env":{` + env.String() + `"A":""}}`,
		"a long violation": `{"name":"f","image":"i","executionMode":"` + strings.Repeat("x", 500_000) + `"}`,
		"a long name":      `{"name":"f","image":"i","env":{"=` + strings.Repeat("x", 500_000) + `":""}}`,
	} {
		a := f.post("/v1/functions", body).refused(400, "VALIDATION_ERROR")
		if len(a.body) > 20_000 {
			t.Errorf("%s: the answer has %d bytes, the request %d", name, len(a.body), len(body))
		}
	}
}
