package loadgen

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// wire serves, and remembers which requests came, by method, path, one header and
// body.
func wire(t *testing.T) (url string, seen func() map[string]int) {
	var mu sync.Mutex
	came := map[string]int{}
	url = serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		mu.Lock()
		came[strings.TrimSpace(fmt.Sprintf("%s %s %s %s", r.Method, r.URL.RequestURI(), r.Header.Get("X-A"), b))]++
		mu.Unlock()
		ok(w, r)
	})
	return url, func() map[string]int {
		mu.Lock()
		defer mu.Unlock()
		return came
	}
}

func load(t *testing.T, target Target) {
	t.Helper()
	o := options("http://127.0.0.1:1")
	o.Targets, o.Rate, o.Duration = []Target{target}, 2000, 300*time.Millisecond
	if r := mustRun(t, o); r.Failed != 0 || r.OK == 0 {
		t.Fatalf("ok %d, failed %+v", r.OK, r.Failures)
	}
}

// Both forms send what they say, each request as often as its weight says, and
// nothing of one request goes into the next.
func TestRequestsOfAFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "body.txt"), []byte("from a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	url, seen := wire(t)
	other, seenOther := wire(t)
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"JSON lines": {`{"method":"PUT","url":"URL/a?x=1","header":{"X-A":["1"]},"body":"aGVsbG8="}
			{"url":"URL/b","json":{"n":1},"weight":0.5}
			{"url":"URL/c","text":"plain","header":{"X-A":"2"}}
			{"url":"URL/d"}
			{"function":"f","input":[7]}
			{"function":"f","mode":"enqueue"}`,
			[]string{"PUT /a?x=1 1 hello", `POST /b  {"n":1}`, "POST /c 2 plain", "GET /d", `POST /v1/functions/f:invoke  {"input":[7]}`, `POST /v1/functions/f:enqueue  {"input":{"message":"hello"}}`}},
		"vegeta's form": {"# remark\nGET URL/d\n\nPOST URL/e\nX-A: 3\n@body.txt\n\nDELETE URL/f\nGET URL/g\nX-A: 4\n", []string{"GET /d", "POST /e 3 from a file", "DELETE /f", "GET /g 4"}},
	} {
		clear(seen())
		target, err := RequestsTarget(Defaults{Server: url, ExpectBody: "fine"}, name, strings.NewReader(strings.ReplaceAll(c.text, "URL", url)), dir)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		load(t, target)
		got := seen()
		for _, want := range c.want {
			if got[want] == 0 {
				t.Errorf("%s: never sent: %s", name, want)
			}
			delete(got, want)
		}
		if len(got) > 0 {
			t.Errorf("%s: sent what nobody asked for: %v", name, got)
		}
	}
	// Weights, and two hosts in one list.
	target, err := RequestsTarget(Defaults{}, "x", strings.NewReader(`{"url":"`+url+`/often","weight":9}{"url":"`+other+`/seldom"}`), dir)
	if err != nil {
		t.Fatal(err)
	}
	load(t, target)
	often, seldom := float64(seen()["GET /often"]), float64(seenOther()["GET /seldom"])
	if share := often / (often + seldom); share < 0.85 || share > 0.95 {
		t.Errorf("weight 9 of 10 got a share of %.3f", share)
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	for text, says := range map[string]string{
		"":                      "lists no request",
		"# nothing\n":           "lists no request",
		"hello":                 `line 1: "hello" is neither`,
		"GET http://h/\nX-A\n":  "line 2",
		"X-A: b\n":              "line 1",
		"GET ftp://h/\n":        "not an http",
		"GET http://h/\n@/nope": "line 2: body file",
		`{"url":"http://h/"`:    "request 1",
		`{"url":"http://h/"}{"urll":"http://h/"}`:        "request 2",
		`{"method":"GET"}`:                               `want "url" or "function"`,
		`{"url":"http://h/","function":"f"}`:             `want "url" or "function"`,
		`{"url":"http://h/","text":"a","json":1}`:        "exclude",
		`{"url":"http://h/","weight":0}`:                 "weight 0",
		`{"url":"http://h/","mode":"invoke"}`:            "of a function",
		`{"url":"http://h/","header":{"A":1}}`:           `header "A"`,
		`{"url":"http://h/","header":{"A":"b\r\nC: d"}}`: "header",
		`{"url":"http://h/","method":"G E T"}`:           "not an HTTP method",
		`{"url":"/relative"}`:                            "not an http",
		`{"url":"http://h/","body":"not base64!"}`:       "request 1",
		`{"function":"f","input":{"a":1},"mode":"sing"}`: "sing",
	} {
		if _, err := RequestsTarget(Defaults{Server: "http://h"}, "file", strings.NewReader(text), "."); err == nil || !strings.Contains(err.Error(), says) || !strings.HasPrefix(err.Error(), "file: ") {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
	}
}

func TestRowsFillPlaceholders(t *testing.T) {
	file := filepath.Join(t.TempDir(), "d.csv")
	if err := os.WriteFile(file, []byte("name,age\nAnn,7\n\"B \"\"x\"\"/é\",8\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	rows, err := ReadRows(file)
	if err != nil {
		t.Fatal(err)
	}
	url, seen := wire(t)
	base := URLTarget(Defaults{Body: []byte(`{"name": "{{name}}", "age": {{age}}}`), Headers: []Header{{"X-A", "{{age}}"}}}, url+"/u/{{name}}?a={{age}}")
	target, err := base.Fill(rows)
	if err != nil {
		t.Fatal(err)
	}
	load(t, target)
	var got []string
	for line := range seen() {
		got = append(got, line)
	}
	slices.Sort(got)
	want := []string{`POST /u/Ann?a=7 7 {"name": "Ann", "age": 7}`, `POST /u/B%20%22x%22%2F%C3%A9?a=8 8 {"name": "B \"x\"/é", "age": 8}`}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	f, err := FunctionTarget(Defaults{Server: url, Template: true, Body: []byte(`{"n": {{age}}}`)}, "f-{{name}}", "")
	if err == nil {
		f, err = f.Fill(rows)
	}
	if err != nil || f.Paths.URLs[0] != url+"/v1/functions/f-Ann:invoke" || string(f.Paths.Requests[0].Body) != `{"input":{"n": 7}}` {
		t.Errorf("%v: %+v", err, f.Paths)
	}
	if _, err := URLTarget(Defaults{}, url+"/{{nobody}}").Fill(rows); err == nil || !strings.Contains(err.Error(), "{{nobody}} is no column") {
		t.Errorf("an unknown column: %v", err)
	}
	for _, text := range []string{"", "a,b\n", "a,b\n1\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadRows(file); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

// A run of stages sends what they say, and tells the stages apart.
func TestStagesOfARun(t *testing.T) {
	url, _ := wire(t)
	o := options(url)
	var err error
	o.Stages = stagesOf(t, "300ms:200,200ms:0,300ms:200..600")
	o.Duration, o.Warmup = 0, time.Hour // of no meaning with stages
	if err = o.Validate(); err != nil {
		t.Fatal(err)
	}
	r := mustRun(t, o)
	if len(r.Stages) != 3 || r.Mode != "open" || r.WarmupSeconds != 0 {
		t.Fatalf("%+v", r)
	}
	for i, want := range []int64{60, 0, 120} {
		if got := r.Stages[i].Latency.Count; got < want-1 || got > want+1 {
			t.Errorf("stage %s: %d requests, want %d", r.Stages[i].Stage, got, want)
		}
	}
	if sum := r.Stages[0].Latency.Count + r.Stages[1].Latency.Count + r.Stages[2].Latency.Count; sum != r.OK {
		t.Errorf("the stages have %d requests, the run %d", sum, r.OK)
	}
}

// Sixty requests over five hundred connections do not find all of them busy.
func TestIdleConnectionsAreNotCalledBusy(t *testing.T) {
	o := options(serve(t, func(w http.ResponseWriter, r *http.Request) { time.Sleep(20 * time.Millisecond); ok(w, r) }))
	o.Rate, o.Duration, o.Connections = 60, time.Second, 500
	if r := mustRun(t, o); strings.Contains(strings.Join(r.Findings, "\n"), "connections were busy") {
		t.Errorf("%d requests: %q", r.Total(), r.Findings)
	}
}
