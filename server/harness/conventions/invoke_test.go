package conventions

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// An SDK's function is called at its path, with envelope and headers, and its own
// report of a cold start is in the record.
func TestSDKFunction(t *testing.T) {
	t.Parallel()
	eachMode(t, "sdk", func(t *testing.T, f *fixture, mode string) {
		r := f.invoke("sdk", `{"input":{"a":1},"metadata":{"k":"v"}}`, "X-Trace-Id", "t-1")
		want := fmt.Sprintf(`{"got": {"input": {"a": 1}, "metadata": {"k": "v"}}, "execution": "%s", "trace": "t-1", "attempt": "1"}`, r.ExecutionID)
		if r.Status != "success" || string(r.Output) != want {
			t.Errorf("%+v, output %s, want %s", r, r.Output, want)
		}
		if e := f.execution(r.ExecutionID); !e.ColdStart || e.InitDurationMs != 123 {
			t.Errorf("the reported cold start is not in the record: %+v", e)
		}
		if e := f.execution(f.invoke("sdk", `{"input":2}`).ExecutionID); e.ColdStart {
			t.Errorf("a warm start counts as cold: %+v", e)
		}
		// A change of the path holds for the next call.
		f.call("PUT", "/v1/functions/sdk", changed(f, "sdk", `"/invoke"`, `"/elsewhere"`))
		if r := f.invoke("sdk", `{"input":2}`); r.Status != "error" || !strings.Contains(string(r.Error), "404") {
			t.Errorf("after invokePath changed: %+v %s", r, r.Error)
		}
		f.call("PUT", "/v1/functions/sdk", changed(f, "sdk", `"/elsewhere"`, `"/invoke"`))
		if r := f.invoke("sdk", `{"input":2}`); r.Status != "success" {
			t.Errorf("after invokePath changed back: %+v %s", r, r.Error)
		}
	})
}

// changed is a function's spec with a part replaced.
func changed(f *fixture, name, old, now string) string {
	f.t.Helper()
	spec := string(f.call("GET", "/v1/functions/"+name, "").Body)
	if !strings.Contains(spec, old) {
		f.t.Fatalf("no %s in %s", old, spec)
	}
	return strings.Replace(spec, old, now, 1)
}

// A framework's function answers with text of any charset, and no probe runs it.
func TestFrameworkFunction(t *testing.T) {
	t.Parallel()
	eachMode(t, "framework", func(t *testing.T, f *fixture, mode string) {
		f.outputs("framework", `{"input":{"name":"Ada"}}`, `"<p>POST / Ada, run 1</p>"`)
		f.outputs("framework", `{"input":"plain"}`, `"<p>POST / plain, run 2</p>"`)
		f.outputs("framework", `{"input":{"do":"latin1"}}`, `"café"`)
		f.outputs("framework", `{"input":{"do":"no text"}}`, `"��� ok"`)
	})
}

// A service gets CloudEvents of structured mode as it would from a broker.
func TestEventService(t *testing.T) {
	t.Parallel()
	eachMode(t, "events", func(t *testing.T, f *fixture, mode string) {
		f.outputs("events", `{"input":{"specversion":"1.0","id":"1"}}`, fmt.Sprintf(
			`{"method":"POST","url":"/","type":"application/json","event":{},"body":"{\"specversion\":\"1.0\",\"id\":\"1\"}","token":%v}`, mode == "DEPLOYMENT"))
		f.outputs("events", `{"input":"grüße"}`, fmt.Sprintf(
			`{"method":"POST","url":"/","type":"text/plain; charset=utf-8","event":{},"body":"grüße","token":%v}`, mode == "DEPLOYMENT"))
	})
}

// A watchdog's function gets the bare input, and what it answers is text when it
// is no JSON, whatever its type.
func TestWatchdogFunction(t *testing.T) {
	t.Parallel()
	eachMode(t, "watchdog", func(t *testing.T, f *fixture, mode string) {
		f.outputs("watchdog", `{"input":[1,2]}`, `"POST application/json [1,2]"`)
		f.outputs("watchdog", `{"input":"say \"hi\""}`, `"POST text/plain; charset=utf-8 say \"hi\""`)
		large := strings.Repeat("x", 100<<10)
		f.outputs("watchdog", `{"input":"`+large+`"}`, `"POST text/plain; charset=utf-8 `+large+`"`)

		a := f.call("POST", "/v1/functions/watchdog:enqueue", `{"input":{"q":1}}`)
		id := a.Header.Get("X-Execution-Id")
		e := f.execution(id)
		for deadline := time.Now().Add(hangGuard); e.Status != "success" && time.Now().Before(deadline); e = f.execution(id) {
			time.Sleep(5 * time.Millisecond)
		}
		if string(e.Output) != `"POST application/json {\"q\":1}"` {
			t.Errorf("enqueued: %+v %s", e, e.Output)
		}
	})
}

// Any program of the system is a function.
func TestUnixPrograms(t *testing.T) {
	t.Parallel()
	f := start(t)
	for _, c := range []struct{ name, command, input, want string }{
		{"sort", `["sort","-u"]`, `"b\na\nb\n"`, `"a\nb\n"`},
		{"count", `["wc","-c"]`, `"four"`, `4`},
		{"cat", `["cat"]`, `{"a":[1,null]}`, `{"a":[1,null]}`},
	} {
		f.call("POST", "/v1/functions", `{"name":"`+c.name+`","runtimeMode":"EXEC","commands":`+c.command+`}`)
		f.outputs(c.name, `{"input":`+c.input+`}`, c.want)
	}
}
