package server

import (
	"net/http"
	"strings"
	"testing"

	"simplane/server/internal/httpjson"
)

func TestUnknownRoutes(t *testing.T) {
	f := start(t)
	for _, path := range []string{
		"/", "/v1", "/v2/functions", "/v1/functions/", "/v1/functions/a/b", "/v1/functions/a:b:c", "/v1/functions/a:destroy",
		"/v1/functions:invoke", "/v1/executions", "/v1/executions/", "/V1/functions", "/v1/functions/a/replicas/", "/actuator", "/actuator/health/x",
		"/favicon.ico", "/..%2f..%2fetc/passwd", "/v1/functions/a/replicas:invoke", "/%ff%fe", "/" + strings.Repeat("x", 3000),
	} {
		for _, method := range []string{"GET", "POST", "DELETE", "OPTIONS"} {
			a := f.do(method, path, "").refused(404, "NOT_FOUND")
			if len(a.body) > 1000 {
				t.Errorf("%s: the answer is %d bytes long", httpjson.Clip([]byte(path), 40), len(a.body))
			}
		}
	}
}

func TestWrongMethods(t *testing.T) {
	f := start(t)
	f.register("fn", "LOCAL")
	for path, allow := range map[string]string{
		"/v1/functions":                        "GET, POST",
		"/v1/functions/fn":                     "GET, PUT, DELETE",
		"/v1/functions/fn/revisions":           "GET",
		"/v1/functions/fn:rollback":            "POST",
		"/v1/executions/x:cancel":              "POST",
		"/v1/functions/fn/replicas":            "PUT",
		"/v1/functions/fn:invoke":              "POST",
		"/v1/functions/fn:enqueue":             "POST",
		"/v1/functions/fn/dead-letters":        "GET, DELETE",
		"/v1/executions/x":                     "GET",
		"/v1/internal/executions/x:complete":   "POST",
		"/v1/internal/functions/fn:drain-once": "POST",
		"/v1/admin/runtime-config":             "GET, PATCH",
		"/v1/admin/runtime-config/validate":    "POST",
		"/actuator/health":                     "GET",
		"/actuator/prometheus":                 "GET",
		"/openapi.json":                        "GET",
	} {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} {
			if strings.Contains(allow, method) {
				continue
			}
			a := f.do(method, path, "").refused(405, "METHOD_NOT_ALLOWED")
			if got := a.header.Get("Allow"); got != allow {
				t.Errorf("%s %s: Allow %q, want %q", method, path, got, allow)
			}
		}
	}
}

func TestMalformedJSONNamesTheOffset(t *testing.T) {
	f := start(t)
	f.register("fn", "LOCAL")
	for body, want := range map[string]string{
		`{"input":1,}`:              "offset 10",
		`{"input":1`:                "offset 10",
		`{"input":01}`:              "offset 1", // 10 or 11: where 1 meets 0
		`{"input":{"a":tru}}`:       "offset 17",
		`{"input":1} {}`:            "offset 1",
		`{'input':1}`:               "offset 1",
		"{\"input\":\"a\nb\"}":      "offset 1",
		"{\"input\":\"\xff\"}":      "offset 1",
		`{"input":"\ud800"}`:        "offset 1",
		`[1]`:                       "offset 0",
		`"text"`:                    "offset 0",
		`nul`:                       "offset",
		"\xef\xbb\xbf{\"input\":1}": "offset 0", // a byte order mark
	} {
		for _, path := range []string{"/v1/functions/fn:invoke", "/v1/functions/fn:enqueue", "/v1/functions"} {
			a := f.post(path, body).refused(400, "MALFORMED_JSON")
			if !strings.Contains(a.str("message"), want) {
				t.Errorf("%s %q: message %q does not say %s", path, body, a.str("message"), want)
			}
		}
	}
	for _, body := range []string{"", "  \n"} {
		a := f.post("/v1/functions/fn:invoke", body).refused(400, "MALFORMED_JSON")
		if !strings.Contains(a.str("message"), "empty") {
			t.Errorf("%q: message %q", body, a.str("message"))
		}
	}
}

func TestContentTypeOfTheRequestDoesNotMatter(t *testing.T) {
	f := start(t)
	f.register("fn", "LOCAL")
	for _, contentType := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "multipart/form-data"} {
		f.post("/v1/functions/fn:invoke", `{"input":1}`, "Content-Type", contentType).expect(200)
	}
}

func TestHeadOfAGetRoute(t *testing.T) {
	f := start(t)
	resp, err := http.Head(f.api + "/actuator/health")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("status %d", resp.StatusCode)
	}
	f.do("HEAD", "/v1/functions/none:invoke", "").expect(405)
}
