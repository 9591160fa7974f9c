package specfile

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"simplane/server/funcspec"
)

func TestMistakesAreReportedWithTheirLine(t *testing.T) {
	const ok = "name: f\nimage: i\n"
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "f.yaml:1: the file holds no function spec"},
		{"only a comment", "# nothing\n---\n", "f.yaml:1: the file holds no function spec"},
		{"a list", "- a\n- b\n", "f.yaml:1: a function spec must be a mapping of keys to values, not a string"},
		{"a list in a list", "- name: f\n  image: i\n-\n  - name: g\n", "f.yaml:4: a function spec must be a mapping of keys to values, not a list"},
		{"nothing in a list", "- name: f\n  image: i\n-\n", "f.yaml:3: a function spec must be a mapping of keys to values, not empty"},
		{"mistake in a list", "- name: f\n  image: i\n- name: g\n  image: i\n  queueSize: 0\n", "f.yaml:5: queueSize: must be greater than 0"},
		{"mistake in a list of JSON", "[{\"name\":\"f\",\"image\":\"i\"},\n\t{\"name\":\"g\",\"image\":\"i\",\n\t\"foo\":1}]", `f.yaml:3: unknown key "foo"`},
		{"more after the list of JSON", "[{\"name\":\"f\",\"image\":\"i\"}]\n[]", "f.yaml:2: there is more after the closing brace or bracket"},
		{"a word", "hello\n", "f.yaml:1: a function spec must be a mapping of keys to values, not a string"},
		{"broken YAML", ok + "env: [\n", "f.yaml:3: not valid YAML: did not find expected node content"},
		{"unknown key", ok + "imgae: x\n", `f.yaml:3: unknown key "imgae"; did you mean "image"?`},
		{"unknown key, other case", ok + "QueueSize: 3\n", `f.yaml:3: unknown key "QueueSize"; did you mean "queueSize"?`},
		{"unknown key, nothing like it", ok + "zzzzzzzzzz: 3\n", `f.yaml:3: unknown key "zzzzzzzzzz"`},
		{"nested unknown key", ok + "resources:\n  ram: 1\n", `f.yaml:4: unknown key "resources.ram"; use one of: cpu, memory`},
		{"unknown key in a list", ok + "scalingConfig:\n  metrics:\n  - {type: rps, goal: 1}\n", `f.yaml:5: unknown key "scalingConfig.metrics[0].goal"`},
		{"twice", ok + "image: j\n", `f.yaml:3: key "image" is given twice`},
		{"number for a string", "name: f\nimage: 12\n", "f.yaml:2: image: must be a string, not a number; put it in quotes"},
		{"string for a number", ok + `concurrency: "4"`, `f.yaml:3: concurrency: must be a whole number, not "4"`},
		{"fraction for a whole number", ok + "concurrency: 1.5", `f.yaml:3: concurrency: must be a whole number, not "1.5"`},
		{"too large a number", ok + "concurrency: 99999999999999999999", `f.yaml:3: concurrency: must be a whole number`},
		{"string for a large number", ok + "rateMaxPerSecond: many", `f.yaml:3: rateMaxPerSecond: must be a whole number, not "many"`},
		{"list for a map", ok + "env: [A]\n", "f.yaml:3: env: must be a mapping of names to strings, not a list"},
		{"map for a list", ok + "commands: {a: b}\n", "f.yaml:3: commands: must be a list, not a mapping"},
		{"hole in a list", ok + "commands:\n- a\n-\n", "f.yaml:5: commands[1]: must not be empty"},
		{"list in env", ok + "env:\n  A: [1]\n", "f.yaml:4: env.A: must be a string, not a list"},
		{"empty in env", ok + "env:\n  A:\n", "f.yaml:4: env.A: must be a string, not empty"},
		{"value out of range", ok + "concurrency: 0\n", "f.yaml:3: concurrency: must be greater than 0"},
		{"value out of range, by its alias", ok + "timeoutMs: -1\n", "f.yaml:3: timeoutMillis: must be greater than 0"},
		{"nested value", ok + "scalingConfig:\n  metrics:\n  - type: rps\n    target: 0\n", "f.yaml:6: scalingConfig.metrics[0].target: must be greater than 0"},
		{"text for a target", ok + "scalingConfig:\n  metrics:\n  - type: rps\n    target: \"many\"\n", `f.yaml:6: scalingConfig.metrics[0].target: must be a number, not "many"`},
		{"commands beside a URL, by their aliases", ok + "url: http://h\ncommand: [a]\n", "f.yaml:4: commands: must be left out beside an endpointUrl"},
		{"POOL without a URL", ok + "executionMode: POOL\n", "f.yaml:1: endpointUrl: is required for POOL"},
		{"bad variable name", ok + "env:\n  A=B: x\n", "f.yaml:3: env: "},
		{"missing", "\n\nimage: i\n", "f.yaml:3: name: is required"},
		{"second document", ok + "---\nname: g\nimage: i\nfoo: 1\n", `f.yaml:6: unknown key "foo"`},
		{"broken JSON", "{\n  \"name\": \"f\",\n  oops\n}", "f.yaml:3: malformed JSON: "},
		{"JSON that ends early", "{\n  \"name\": \"f\"", "f.yaml:2: malformed JSON: the file ends too early"},
		{"more after the JSON", "{\"name\":\"f\",\"image\":\"i\"}\n{}", "f.yaml:2: there is more after the closing brace or bracket"},
		{"unknown key in JSON", "{\n\t\"name\": \"f\",\n\t\"image\": \"i\",\n\t\"foo\": 1\n}", `f.yaml:4: unknown key "foo"`},
		{"twice in JSON", "{\n\"name\": \"f\",\n\"name\": \"g\",\"image\":\"i\"}", `f.yaml:3: key "name" is given twice`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Load("f.yaml", []byte(c.text))
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestEveryMistakeIsReportedAtOnce(t *testing.T) {
	_, err := Load("f.yaml", []byte("name: f\nfoo: 1\nbar: 2\n---\nname: g\nimage: i\nmaxRetries: -1\nqueueSize: 0\n"))
	for _, want := range []string{"f.yaml:2:", "f.yaml:3:", "f.yaml:7: maxRetries", "f.yaml:8: queueSize"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in: %v", want, err)
		}
	}
}

// YAML and JSON of one spec, with what each can write its own way, mean the
// same.
func TestYAMLAndJSONMeanTheSame(t *testing.T) {
	yaml := `
name: f
image: &i "reg/é:1"
timeoutMs: 0x10
rateMaxPerSecond: 4000000000
generation: 3
runtimeCommand: *i
commands: [a, "\U0001F600\t"]
env: {PORT: 8080, DEBUG: yes, RATE: 1.50, S: text}
imagePullSecrets: ~
scalingConfig:
  metrics: [{type: rps, target: "1.5"}, {type: cpu, target: 70}]
  concurrencyControl: {highLoadThreshold: 1, lowLoadThreshold: .5}
`
	jsonText := "{\n\t\"name\": \"f\", \"image\": \"reg\\/\\u00e9:1\", \"timeoutMs\": 16, \"rateMaxPerSecond\": 4000000000, \"generation\": 4, \"runtimeCommand\": \"reg/é:1\",\n" +
		"\t\"commands\": [\"a\", \"\\ud83d\\ude00\\t\"], \"env\": {\"PORT\": \"8080\", \"DEBUG\": \"yes\", \"RATE\": \"1.50\", \"S\": \"text\"},\n" +
		"\t\"imagePullSecrets\": null, \"scalingConfig\": {\"metrics\": [{\"type\": \"rps\", \"target\": 1.5}, {\"type\": \"cpu\", \"target\": \"70\"}], \"concurrencyControl\": {\"highLoadThreshold\": 1e0, \"lowLoadThreshold\": 0.5}}\n}"
	a, err := Load("f.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	b, err := Load("f.json", []byte(jsonText))
	if err != nil {
		t.Fatal(err)
	}
	if d := Diff(a[0].Resolved, b[0].Resolved); len(d) > 0 {
		t.Errorf("they differ: %v", d)
	}
	if s := a[0].Resolved; s.TimeoutMillis != 16 || s.Env["RATE"] != "1.50" || s.Env["DEBUG"] != "yes" || s.Commands[1] != "\U0001F600\t" || s.RuntimeCommand != "reg/é:1" {
		t.Errorf("resolved: %+v", s)
	}
	// What is sent resolves to what was compared.
	for _, spec := range append(a, b...) {
		var in funcspec.Input
		if err := json.Unmarshal(spec.Body, &in); err != nil {
			t.Fatal(err)
		}
		sent, err := funcspec.Resolve(in)
		if err != nil {
			t.Fatalf("%s: sent %s: %v", spec.File, spec.Body, err)
		}
		if view := funcspec.View(sent); len(Diff(&view, spec.Resolved)) > 0 {
			t.Errorf("%s: sent %s, which is %v", spec.File, spec.Body, view)
		}
	}
}

func TestListsAndDocumentsHoldTheSameSpecs(t *testing.T) {
	for text, want := range map[string]string{
		"name: f\nimage: i\n---\nname: g\nimage: i\n":                             "f:1 g:4",
		"- name: f\n  image: i\n- {name: g, image: i}\n---\nname: h\nimage: i":    "f:1 g:3 h:5",
		"[{\"name\":\"f\",\"image\":\"i\"},\n\t{\"name\":\"g\",\"image\":\"i\"}]": "f:1 g:2",
		"[]": "", "[]\n---\n[]\n": "", " [ ]\n": "",
	} {
		specs, err := Load("f", []byte(text))
		var got []string
		for _, s := range specs {
			got = append(got, fmt.Sprintf("%s:%d", s.Resolved.Name, s.Line))
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func TestAFunctionGivenTwiceIsNamedWithBothPlaces(t *testing.T) {
	a, err := Load("a.yaml", []byte("name: f\nimage: i\n---\nname: g\nimage: i\n"))
	if err != nil || Twice(a) != nil {
		t.Fatal(err, Twice(a))
	}
	b, err := Load("b.json", []byte("[{\"name\":\"h\",\"image\":\"i\"},\n{\"name\":\"f\",\"image\":\"other\"}]"))
	if err != nil {
		t.Fatal(err)
	}
	want := `b.json:2: the function "f" is given a second time, first at a.yaml:1; remove one of them`
	if err := Twice(append(a, b...)); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestDiffNamesFieldsAndHidesEnv(t *testing.T) {
	a := &funcspec.Spec{Name: "f", Concurrency: 1, Env: map[string]string{"A": "secret1", "B": "x"}, Commands: []string{"a"}}
	b := &funcspec.Spec{Name: "f", Concurrency: 2, Env: map[string]string{"A": "secret2", "C": "y"}, Commands: []string{"a", "b"}, Resources: &funcspec.Resources{CPU: "1"}}
	var got []string
	for _, d := range Diff(a, b) {
		got = append(got, d.String())
	}
	want := `commands[1]: (none) -> "b"; concurrency: 1 -> 2; env.A: changed; env.B: removed; env.C: added; resources.cpu: (none) -> "1"`
	if strings.Join(got, "; ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "; "), want)
	}
	if d := Diff(a, a); len(d) > 0 {
		t.Errorf("a spec differs from itself: %v", d)
	}
	if d := Diff(&funcspec.Spec{Commands: nil}, &funcspec.Spec{Commands: []string{}}); len(d) > 0 {
		t.Errorf("an empty list differs from none: %v", d)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("name: f\nimage: i\n")
	f.Add(`{"name":"f","image":"i","env":{"A":"b"}}`)
	f.Add("a: &a [*a]\n")
	f.Add("env: &e {A: *e}\nname: f\nimage: i")
	f.Fuzz(func(t *testing.T, text string) {
		specs, err := Load("f", []byte(text))
		if err == nil && len(specs) == 0 && !strings.Contains(text, "[") {
			t.Error("neither a spec, nor an empty list, nor an error")
		}
		for _, s := range specs {
			if d := Diff(s.Resolved, s.Resolved); len(d) > 0 {
				t.Errorf("differs from itself: %v", d)
			}
		}
	})
}
