package main

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

// TestServeRunsTheExampleFunctions registers each example function with a
// real `simplane serve`, in each language, and invokes it twice: cold, warm.
func TestServeRunsTheExampleFunctions(t *testing.T) {
	examples, err := filepath.Abs("../../scenarios/functions")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin, "./go/word-stats", "./go/json-transform", "./go/roman-numeral")
	build.Dir = examples
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	cases := map[string][2]string{
		"word-stats":     {`{"text":"to be or not to be"}`, `{"words":6,"unique":4,"longest":"not","top":[{"word":"be","count":2},{"word":"to","count":2},{"word":"not","count":1},{"word":"or","count":1}]}`},
		"json-transform": {`{"data":{"a":1,"b":2},"steps":[{"op":"drop","keys":["a"]}]}`, `{"b":2}`},
		"roman-numeral":  {`{"number":2026}`, `{"roman":"MMXXVI"}`},
	}
	s := serve(t)
	for _, ex := range []struct{ function, language, mode, command string }{
		{"word-stats", "go", "HTTP", bin + "/word-stats"},
		{"json-transform", "go", "STDIO", bin + "/json-transform"},
		{"roman-numeral", "go", "FILE", bin + "/roman-numeral"},
		{"word-stats", "python", "STDIO", "python3 " + examples + "/python/word_stats.py"},
		{"json-transform", "python", "HTTP", "python3 " + examples + "/python/json_transform.py"},
		{"roman-numeral", "python", "STDIO", "python3 " + examples + "/python/roman_numeral.py"},
		{"word-stats", "shell", "FILE", "sh " + examples + "/shell/word-stats.sh"},
		{"roman-numeral", "shell", "STDIO", "sh " + examples + "/shell/roman-numeral.sh"},
	} {
		t.Run(ex.function+"-"+ex.language+"-"+ex.mode, func(t *testing.T) {
			name := ex.function + "-" + ex.language
			spec, _ := json.Marshal(map[string]any{
				"name": name, "image": "local", "runtimeMode": ex.mode, "commands": strings.Fields(ex.command), "timeoutMillis": 60_000,
			})
			if status, body := s.call("POST", "/v1/functions", string(spec)); status != 201 {
				t.Fatalf("register: %d %v", status, body)
			}
			var want any
			if err := json.Unmarshal([]byte(cases[ex.function][1]), &want); err != nil {
				t.Fatal(err)
			}
			for _, start := range []string{"cold", "warm"} {
				status, got := s.call("POST", "/v1/functions/"+name+":invoke", `{"input":`+cases[ex.function][0]+`}`)
				if status != 200 || got["status"] != "success" || !reflect.DeepEqual(got["output"], want) {
					t.Fatalf("%s: %d %v, want %v", start, status, got, want)
				}
				_, e := s.call("GET", "/v1/executions/"+got["executionId"].(string), "")
				// A FILE function starts a process for each invocation, but has
				// no instance to wait for.
				if cold := e["coldStart"] == true; ex.mode != "FILE" && cold != (start == "cold") {
					t.Errorf("%s: coldStart %v", start, e["coldStart"])
				}
			}
		})
	}
	s.signal(syscall.SIGTERM)
	if code := s.exit(); code != 0 {
		t.Errorf("exit code %d; stderr: %s", code, s.stderr)
	}
}
