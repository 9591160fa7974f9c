// Package functions_test runs the example functions through the process
// provider, in each language and mode they are made for.
package functions_test

import (
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"simplane/server/provider"
	"simplane/server/provider/process"
)

var everyMode = []provider.RuntimeMode{provider.HTTP, provider.STDIO, provider.FILE}

// programs are the commands of the functions; BIN is where the Go ones are
// built.
var programs = []struct {
	function string
	command  []string
	modes    []provider.RuntimeMode
}{
	{"word-stats", []string{"BIN/word-stats"}, everyMode},
	{"word-stats", []string{"python3", "python/word_stats.py"}, everyMode},
	{"word-stats", []string{"sh", "shell/word-stats.sh"}, []provider.RuntimeMode{provider.FILE}},
	{"json-transform", []string{"BIN/json-transform"}, everyMode},
	{"json-transform", []string{"python3", "python/json_transform.py"}, everyMode},
	{"roman-numeral", []string{"BIN/roman-numeral"}, everyMode},
	{"roman-numeral", []string{"python3", "python/roman_numeral.py"}, everyMode},
	{"roman-numeral", []string{"shell/roman-numeral.sh"}, []provider.RuntimeMode{provider.STDIO, provider.FILE}},
}

// cases are inputs with their outputs; an empty output stands for a refusal.
var cases = map[string][]struct{ input, output, notIn string }{
	"word-stats": {
		{`{"text":"To be, or not to be:\nthat is the question."}`,
			`{"words":10,"unique":8,"longest":"question","top":[{"word":"be","count":2},{"word":"to","count":2},{"word":"is","count":1},{"word":"not","count":1},{"word":"or","count":1}]}`, ""},
		{`{"text":"Ünïcode wörter, wörter"}`,
			`{"words":3,"unique":2,"longest":"ünïcode","top":[{"word":"wörter","count":2},{"word":"ünïcode","count":1}]}`, "shell"},
		{`{"text":""}`, `{"words":0,"unique":0,"longest":"","top":[]}`, ""},
		{`{"text":7}`, ``, ""},
	},
	"json-transform": {
		{`{"data":[{"id":1,"secret":"x","n":"a"},{"id":2,"n":"b"}],"steps":[{"op":"drop","keys":["secret"]},{"op":"rename","from":"n","to":"name"},{"op":"set","key":"seen","value":true}]}`,
			`[{"id":1,"name":"a","seen":true},{"id":2,"name":"b","seen":true}]`, ""},
		{`{"data":{"a":1,"b":{"c":[null,1.5]}},"steps":[{"op":"pick","keys":["b","z"]}]}`, `{"b":{"c":[null,1.5]}}`, ""},
		{`{"data":{},"steps":[{"op":"explode"}]}`, ``, ""},
		{`[1]`, ``, ""},
	},
	"roman-numeral": {
		{`{"number":1994}`, `{"roman":"MCMXCIV"}`, ""},
		{`{"number":3999}`, `{"roman":"MMMCMXCIX"}`, ""},
		{`{"number":4}`, `{"roman":"IV"}`, ""},
		{`{"roman":"MCMXCIV"}`, `{"number":1994}`, "shell"},
		{`{"roman":"IIII"}`, ``, ""},
		{`{"number":4000}`, ``, ""},
		{`{"number":0}`, ``, ""},
	},
}

func TestExamples(t *testing.T) {
	bin := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", bin, "./go/word-stats", "./go/json-transform", "./go/roman-numeral").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	p := process.New(process.Options{TempDir: t.TempDir()})
	defer func() {
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	for _, prog := range programs {
		command := slices.Clone(prog.command)
		for i := range command {
			command[i] = strings.Replace(command[i], "BIN", bin, 1)
		}
		language := map[string]string{"BIN": "go", "python3": "python"}[strings.SplitN(prog.command[0], "/", 2)[0]]
		if language == "" {
			language = "shell"
		}
		for _, mode := range prog.modes {
			name := prog.function + "-" + language + "-" + string(mode)
			t.Run(name, func(t *testing.T) {
				if err := p.Provision(context.Background(), provider.Deployment{
					Name: name, RuntimeMode: mode, Commands: command, TimeoutMillis: 60_000,
				}); err != nil {
					t.Fatal(err)
				}
				all := cases[prog.function]
				for i, c := range all {
					if c.notIn == language {
						continue
					}
					if mode == provider.FILE && language == "python" && i > 0 && i < len(all)-1 {
						continue // an interpreter takes its time to start, for each
					}
					check(t, p, name, c.input, c.output)
				}
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				if err := p.Deprovision(ctx, name); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func check(t *testing.T, p *process.Provider, name, input, output string) {
	t.Helper()
	r := p.Invoke(context.Background(), name, provider.Invocation{ExecutionID: "e-1", Input: json.RawMessage(input)})
	if output == "" {
		refusals := []string{"BAD_INPUT", provider.CodeError, provider.CodeFailed} // STDIO, HTTP, FILE
		if !slices.Contains(refusals, r.ErrorCode) || !strings.Contains(r.ErrorMessage, ":") {
			t.Errorf("%s: got %s, code %q (%s), want a refusal", input, r.Output, r.ErrorCode, r.ErrorMessage)
		}
		return
	}
	var got, want any
	if err := json.Unmarshal([]byte(output), &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(r.Output, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %s, code %q (%s), want %s", input, r.Output, r.ErrorCode, r.ErrorMessage, output)
	}
}

// TestEveryExampleIsTested keeps the table above complete.
func TestEveryExampleIsTested(t *testing.T) {
	var files []string
	for _, pattern := range []string{"python/*.py", "shell/*.sh", "go/*/main.go"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	for _, f := range files {
		tested := f == "python/function.py" || strings.HasPrefix(f, "go/lambda-") // lambda_test.go
		for _, p := range programs {
			last := p.command[len(p.command)-1]
			tested = tested || last == f || strings.Replace(last, "BIN", "go", 1) == filepath.Dir(f)
		}
		if !tested {
			t.Errorf("%s is in no test", f)
		}
	}
}
