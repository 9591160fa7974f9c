package funcspec

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"simplane/core"
)

func resolveJSON(t testing.TB, in string) (*core.Spec, error) {
	t.Helper()
	var input Input
	if err := json.Unmarshal([]byte(in), &input); err != nil {
		t.Fatal(err)
	}
	return Resolve(input)
}

func viewJSON(t testing.TB, in string) string {
	t.Helper()
	s, err := resolveJSON(t, in)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(View(s))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestResolveFillsInDefaults(t *testing.T) {
	want := `{"name":"f","image":"i","executionMode":"DEPLOYMENT","runtimeMode":"HTTP","concurrency":4,` +
		`"queueSize":100,"maxRetries":3,"timeoutMillis":30000,"retryBackoff":{"initialMs":100,"maxMs":10000,"multiplier":2,"jitter":0.2},"commands":[],"invokePath":"/","bodyMode":"envelope","healthCheck":{"type":"http","path":"/health"},"env":{},"imagePullSecrets":[],"rateMaxPerSecond":0}`
	if got := viewJSON(t, `{"name":"f","image":"i"}`); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestResolveKeepsWhatIsGiven(t *testing.T) {
	in := `{"name":"F.a_b-9","image":"i","executionMode":"POOL","runtimeMode":"STDIO","concurrency":1,"queueSize":2,` +
		`"maxRetries":0,"timeoutMillis":5,"retryBackoff":{"initialMs":7,"maxMs":9,"multiplier":1.5,"jitter":0.1},"endpointUrl":"http://h:1/p","commands":[],` +
		`"workingDirectory":"/w","invokePath":"/a/b%20c","bodyMode":"raw","healthCheck":{"type":"tcp"},"env":{"K":"V"},"resources":{"cpu":"500m","memory":"1Gi"},"imagePullSecrets":["s"],` +
		`"scalingConfig":{"strategy":"HPA","minReplicas":2,"maxReplicas":3,"metrics":[{"type":"rps","target":1.5}],` +
		`"concurrencyControl":{"mode":"ADAPTIVE_PER_POD","targetInFlightPerPod":3,"minTargetInFlightPerPod":2,` +
		`"maxTargetInFlightPerPod":4,"upscaleCooldownMs":1,"downscaleCooldownMs":2,"highLoadThreshold":0.9,"lowLoadThreshold":0.1}},` +
		`"rateMaxPerSecond":7}`
	if got := viewJSON(t, in); got != in {
		t.Errorf("got %s\nwant %s", got, in)
	}
}

func TestPathsAndHealthChecks(t *testing.T) {
	with := func(member string) string { return `{"name":"f","image":"i",` + member + `}` }
	for member, want := range map[string]string{
		`"invokePath":"/invoke"`:                            `"invokePath":"/invoke","bodyMode":"envelope","healthCheck":{"type":"http","path":"/health"}`,
		`"healthCheck":{}`:                                  `"invokePath":"/","bodyMode":"envelope","healthCheck":{"type":"http","path":"/health"}`,
		`"healthCheck":{"path":"/live?deep=1"}`:             `"invokePath":"/","bodyMode":"envelope","healthCheck":{"type":"http","path":"/live?deep=1"}`,
		`"healthCheck":{"type":"tcp"},"bodyMode":"raw"`:     `"invokePath":"/","bodyMode":"raw","healthCheck":{"type":"tcp"}`,
		`"invokePath":null,"healthCheck":null`:              `"invokePath":"/","bodyMode":"envelope","healthCheck":{"type":"http","path":"/health"}`,
		`"invokePath":"/` + strings.Repeat("p", 2047) + `"`: `"invokePath":"/` + strings.Repeat("p", 2047) + `"`,
	} {
		got := viewJSON(t, with(member))
		if !strings.Contains(got, want) {
			t.Errorf("%.80s: got %.300s", member, got)
		}
		if again := viewJSON(t, got); again != got {
			t.Errorf("%.80s: what is shown is read as %.300s", member, again)
		}
	}
	for member, want := range map[string]string{
		`"invokePath":"invoke"`:                             `invokePath: must begin with "/"`,
		`"invokePath":""`:                                   `invokePath: must begin with "/"`,
		`"invokePath":"/a b"`:                               `invokePath: must have ' ' percent-encoded, as %20`,
		`"invokePath":"/a\r\nX: y"`:                         `invokePath: must have '\r' percent-encoded, as %0D`,
		`"invokePath":"/a?b=c"`:                             `invokePath: must have '?' percent-encoded, as %3F`,
		`"invokePath":"/` + strings.Repeat("p", 2048) + `"`: `invokePath: must have at most 2048 bytes`,
		`"bodyMode":"bare"`:                                 `bodyMode: must be one of envelope, raw, not "bare"`,
		`"healthCheck":{"type":"exec"}`:                     `healthCheck.type: must be one of http, tcp, not "exec"`,
		`"healthCheck":{"type":"tcp","path":"/health"}`:     `healthCheck.path: must be left out with type tcp, which asks nothing`,
		`"healthCheck":{"path":"/ä"}`:                       `healthCheck.path: must have`,
		`"healthCheck":{"path":"/a#b"}`:                     `healthCheck.path: must have '#' percent-encoded, as %23`,
	} {
		if _, err := resolveJSON(t, with(member)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v, want %s", member, err, want)
		}
	}
}

func TestResolveTakesAliases(t *testing.T) {
	for in, want := range map[string]struct {
		url     string
		timeout int
	}{
		`{"name":"f","image":"i","timeoutMs":7,"url":"https://h"}`:                                           {"https://h", 7},
		`{"name":"f","image":"i","timeoutMs":7,"timeoutMillis":8,"url":"http://a","endpointUrl":"http://b"}`: {"http://b", 8},
	} {
		s, err := resolveJSON(t, in)
		if err != nil || Of(s).EndpointURL != want.url || s.TimeoutMillis != want.timeout {
			t.Errorf("%s: %+v, %v", in, s, err)
		}
	}
}

// Core asks for no instances where nobody starts any.
func TestResolveSaysWhoHasInstances(t *testing.T) {
	for in, none := range map[string]bool{
		`{"name":"f","image":"i"}`:                                         true,
		`{"name":"f","image":"i","executionMode":"DEPLOYMENT"}`:            true,
		`{"name":"f","image":"i","endpointUrl":"http://h"}`:                false,
		`{"name":"f","image":"i","executionMode":"LOCAL"}`:                 false,
		`{"name":"f","image":"i","executionMode":"POOL","url":"http://h"}`: false,
	} {
		s, err := resolveJSON(t, in)
		if err != nil || s.NoInstances == none || Of(s).Provided() != none {
			t.Errorf("%s: no instances %v, provided %v, %v", in, s.NoInstances, Of(s).Provided(), err)
		}
	}
}

func TestResolveNamesEveryViolationAtOnce(t *testing.T) {
	_, err := resolveJSON(t, `{"name":"-bad-","image":" ","executionMode":"local","runtimeMode":"X","concurrency":0,
		"endpointUrl":"ftp://x","env":{"A=B":"1","":"2"}}`)
	var v *core.ValidationError
	if !errors.As(err, &v) {
		t.Fatal(err)
	}
	fields := map[string]int{}
	for _, d := range v.Details {
		field, _, _ := strings.Cut(d, ": ")
		fields[field]++
	}
	for field, n := range map[string]int{"name": 1, "image": 1, "executionMode": 1, "runtimeMode": 1, "concurrency": 1, "endpointUrl": 1, "env": 2} {
		if fields[field] != n {
			t.Errorf("%s: %d violations, want %d", field, fields[field], n)
		}
		delete(fields, field)
	}
	if len(fields) > 0 {
		t.Errorf("also reported: %v", fields)
	}
	if !slices.IsSorted(v.Details) {
		t.Error("the order is not the same in every run")
	}
}

// An image may be left out where nothing is started from one.
func TestResolveAsksForAnImageWhereOneIsStarted(t *testing.T) {
	for in, want := range map[string]string{
		`{"name":"f","executionMode":"LOCAL"}`:                         "",
		`{"name":"f","executionMode":"POOL","endpointUrl":"http://h"}`: "",
		`{"name":"f","endpointUrl":"http://h"}`:                        "",
		`{"name":"f","commands":["a"]}`:                                "",
		`{"name":"f","runtimeCommand":"a"}`:                            "",
		`{"name":"f","image":null,"executionMode":"LOCAL"}`:            "",
		`{"name":"f"}`: "image: is required",
		`{"name":"f","image":"","executionMode":"LOCAL"}`:                    "image: must not be blank",
		`{"name":"f","endpointUrl":"http://h","runtimeCommand":"a"}`:         "runtimeCommand: must be left out",
		`{"name":"f","endpointUrl":"http://h","commands":["a"]}`:             "commands: must be left out",
		`{"name":"f","image":"i","url":"http://h","runtimeCommand":"a"}`:     "runtimeCommand: must be left out",
		`{"name":"f","image":"i","endpointUrl":"","runtimeCommand":"a"}`:     "",
		`{"name":"f","image":"i","endpointUrl":"http://h","command":["a"]}`:  "commands: must be left out",
		`{"name":"f","image":"i","executionMode":"LOCAL","commands":["a"]}`:  "",
		`{"name":"f","executionMode":"LOCAL","endpointUrl":"http://h:1/x"}`:  "",
		`{"name":"f","executionMode":"POOL","commands":["a"],"image":"img"}`: "endpointUrl: is required",
	} {
		_, err := resolveJSON(t, in)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", in, err, want)
		}
	}
	if got := viewJSON(t, `{"name":"f","executionMode":"LOCAL"}`); strings.Contains(got, "image\"") {
		t.Errorf("an image is shown that nobody gave: %s", got)
	}
}

func TestResolveChecksEndpoints(t *testing.T) {
	name, image := "f", "i"
	for url, good := range map[string]bool{
		"http://h": true, "https://h:8443/x?y=z": true,
		"h:80": false, "/path": false, "http://": false, "ftp://h": false, "http://h\x7f": false, "://": false,
	} {
		if _, err := Resolve(Input{Name: &name, Image: &image, EndpointURL: &url}); (err == nil) != good {
			t.Errorf("endpoint %q: %v", url, err)
		}
	}
}

func TestResolveTakesCommandForCommands(t *testing.T) {
	for in, want := range map[string]string{
		`{"name":"f","image":"i","command":["a","b"]}`:                  "a b",
		`{"name":"f","image":"i","command":["a"],"commands":["c","d"]}`: "c d",
		`{"name":"f","image":"i","command":["a"],"commands":null}`:      "a",
	} {
		if s, err := resolveJSON(t, in); err != nil || strings.Join(Of(s).Commands, " ") != want {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func TestResolveTakesTargetsAsText(t *testing.T) {
	for target, want := range map[string]float64{`70`: 70, `"70"`: 70, `"0.5"`: 0.5, `"1e2"`: 100} {
		s, err := resolveJSON(t, `{"name":"f","image":"i","scalingConfig":{"metrics":[{"type":"rps","target":`+target+`}]}}`)
		if err != nil || s.ScalingConfig.Metrics[0].Target != want {
			t.Errorf("%s: %v", target, err)
		}
	}
	for target, want := range map[string]string{`"many"`: "string", `""`: "string", `"1,5"`: "string", `"0x10"`: "string", `" 5"`: "string", `"5 "`: "string", `"5\n"`: "string", `"NaN"`: "string", `"1e400"`: "number 1e400", `true`: "bool", `[1]`: "array", `"true"`: "bool"} {
		var in Input
		err := json.Unmarshal([]byte(`{"scalingConfig":{"metrics":[{"type":"rps","target":`+target+`}]}}`), &in)
		var wrong *json.UnmarshalTypeError
		if !errors.As(err, &wrong) || wrong.Field != "scalingConfig.metrics.target" || wrong.Value != want {
			t.Errorf("%s: %+v, %v", target, wrong, err)
		}
	}
	for _, target := range []string{`0`, `"0"`, `"-1"`, `null`} {
		if _, err := resolveJSON(t, `{"name":"f","image":"i","scalingConfig":{"metrics":[{"type":"rps","target":`+target+`}]}}`); err == nil || !strings.Contains(err.Error(), "scalingConfig.metrics[0].target: must be greater than 0") {
			t.Errorf("%s: %v", target, err)
		}
	}
}

func TestResolveChecksWhoAnswers(t *testing.T) {
	const needed = "endpointUrl: is required for POOL"
	for in, want := range map[string]string{
		`"executionMode":"POOL"`:                                            needed,
		`"executionMode":"POOL","endpointUrl":""`:                           needed,
		`"executionMode":"POOL","endpointUrl":"ftp://h"`:                    "endpointUrl: must be an absolute",
		`"executionMode":"POOL","endpointUrl":"http://h"`:                   "",
		`"executionMode":"POOL","endpointUrl":"http://h","commands":["a"]`:  "commands: must be left out beside an endpointUrl",
		`"executionMode":"POOL","endpointUrl":"http://h","commands":[]`:     "",
		`"url":"http://h","command":["a"]`:                                  "commands: must be left out beside an endpointUrl",
		`"executionMode":"LOCAL","endpointUrl":"http://h","commands":["a"]`: "commands: must be left out beside an endpointUrl",
		`"commands":["a"]`: "",
	} {
		_, err := resolveJSON(t, `{"name":"f","image":"i",`+in+`}`)
		var v *core.ValidationError
		switch errors.As(err, &v); {
		case want == "" && err == nil:
		case want == "" || v == nil || len(v.Details) != 1 || !strings.HasPrefix(v.Details[0], want):
			t.Errorf("%s: %v", in, err)
		}
	}
}

// Whatever the JSON, a spec is refused with reasons or resolved to one that
// resolves to itself.
func FuzzResolve(f *testing.F) {
	f.Add(`{"name":"f","image":"i"}`)
	f.Add(`{"name":"f","image":"i","timeoutMs":7,"url":"https://h","env":{"A":"B"}}`)
	f.Fuzz(func(t *testing.T, in string) {
		var input Input
		if json.Unmarshal([]byte(in), &input) != nil {
			return
		}
		s, err := Resolve(input)
		var v *core.ValidationError
		switch {
		case errors.As(err, &v) && len(v.Details) > 0:
			return
		case err != nil:
			t.Fatalf("refused without a reason: %v", err)
		}
		once, err := json.Marshal(View(s))
		if err != nil {
			t.Fatal(err)
		}
		if twice := viewJSON(t, string(once)); twice != string(once) {
			t.Fatalf("resolved twice: %s\nonce: %s", twice, once)
		}
	})
}
