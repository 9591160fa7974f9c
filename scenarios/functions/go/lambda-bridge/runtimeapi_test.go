package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"simplane/scenarios/functions/go/function"
)

// What a runtime client can say, by the paths and headers that AWS documents.
func TestRuntimeAPI(t *testing.T) {
	p := &process{events: make(chan *invocation, 1), ended: make(chan struct{})}
	api := httptest.NewServer(p.api())
	defer api.Close()
	post := func(path, body string, header ...string) int {
		t.Helper()
		req, _ := http.NewRequest("POST", api.URL+apiPrefix+path, strings.NewReader(body))
		for i := 0; i+1 < len(header); i += 2 {
			if name, trailer := strings.CutPrefix(header[i], "Trailer:"); trailer {
				req.Trailer, req.ContentLength = http.Header{name: {header[i+1]}}, -1
				continue
			}
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	take := func() *invocation {
		t.Helper()
		inv := &invocation{id: newID(), event: []byte(`{"n":1}`), deadline: time.UnixMilli(1234567), done: make(chan outcome, 1)}
		p.events <- inv
		resp, err := http.Get(api.URL + apiPrefix + "invocation/next")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		if string(body) != `{"n":1}` || resp.Header.Get("Lambda-Runtime-Aws-Request-Id") != inv.id || resp.Header.Get("Lambda-Runtime-Deadline-Ms") != "1234567" ||
			!strings.HasPrefix(resp.Header.Get("Lambda-Runtime-Invoked-Function-Arn"), "arn:aws:lambda:") {
			t.Errorf("next: %s %v", body, resp.Header)
		}
		return inv
	}
	for _, c := range []struct {
		path, body string
		header     []string
		status     int
		output     string
		code       string
	}{
		{"response", `{"ok":true}`, nil, 202, `{"ok":true}`, ""},
		{"response", "no JSON", nil, 202, `"no JSON"`, ""},
		{"response", "a part", []string{"Lambda-Runtime-Function-Response-Mode", "streaming", "Trailer:Lambda-Runtime-Function-Error-Type", "Runtime.Amid"}, 202, "", "Runtime.Amid"},
		{"response", strings.Repeat("x", maxPayload+1), nil, 413, "", "Function.ResponseSizeTooLarge"},
		{"error", `{"errorMessage":"m","errorType":"T","stackTrace":[]}`, nil, 202, "", "T"},
		{"error", `oops`, []string{"Lambda-Runtime-Function-Error-Type", "Function.Bad"}, 202, "", "Function.Bad"},
	} {
		inv := take()
		if got := post("invocation/00000000-0000-4000-8000-000000000000/"+c.path, "{}"); got != 400 {
			t.Errorf("%s of another id: %d", c.path, got)
		}
		if got := post("invocation/"+inv.id+"/"+c.path, c.body, c.header...); got != c.status {
			t.Errorf("%s %.40s: status %d, want %d", c.path, c.body, got, c.status)
		}
		o := <-inv.done
		var e *function.Error
		if string(o.output) != c.output || (c.code != "") != errors.As(o.err, &e) || e != nil && e.Code != c.code {
			t.Errorf("%s %.40s: %s %v", c.path, c.body, o.output, o.err)
		}
		if got := post("invocation/"+inv.id+"/response", "{}"); got != 400 {
			t.Errorf("a second answer: %d", got)
		}
	}
	if got := post("init/error", `{"errorMessage":"no module","errorType":"Runtime.ImportModuleError"}`); got != 202 {
		t.Errorf("init error: %d", got)
	}
	close(p.ended)
	p.used = false
	if _, err := (&process{events: make(chan *invocation), ended: p.ended, failure: p.failure}).invoke(nil, time.Now()); err == nil || err.Error() != "Runtime.ImportModuleError: no module" {
		t.Errorf("a process that did not start: %v", err)
	}
}
