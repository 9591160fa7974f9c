package core

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
)

func resolveJSON(t testing.TB, in string) (*Spec, error) {
	t.Helper()
	var input SpecInput
	if err := json.Unmarshal([]byte(in), &input); err != nil {
		t.Fatal(err)
	}
	return ResolveSpec(input)
}

func TestFunctionSpecResolverFillsInDefaults(t *testing.T) {
	s, err := resolveJSON(t, `{"name":"f"}`)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(s)
	wantEqual(t, "spec", string(got), `{"name":"f","concurrency":4,"queueSize":100,"maxRetries":3,"timeoutMillis":30000,"retryBackoff":{"initialMs":100,"maxMs":10000,"multiplier":2,"jitter":0.2}}`)
}

func TestFunctionSpecResolverKeepsWhatIsGiven(t *testing.T) {
	in := `{"name":"F.a_b-9","concurrency":1,"queueSize":2,"maxRetries":0,"timeoutMillis":5,"retryBackoff":{"initialMs":7,"maxMs":9,"multiplier":1.5,"jitter":0.1},` +
		`"scalingConfig":{"strategy":"HPA","minReplicas":2,"maxReplicas":3,"metrics":[{"type":"rps","target":1.5}],` +
		`"concurrencyControl":{"mode":"ADAPTIVE_PER_POD","targetInFlightPerPod":3,"minTargetInFlightPerPod":2,` +
		`"maxTargetInFlightPerPod":4,"upscaleCooldownMs":1,"downscaleCooldownMs":2,"highLoadThreshold":0.9,"lowLoadThreshold":0.1}},` +
		`"rateMaxPerSecond":7}`
	s, err := resolveJSON(t, in)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(s)
	wantEqual(t, "spec", string(got), in)
}

func TestFunctionSpecResolverScalingDefaults(t *testing.T) {
	s, err := resolveJSON(t, `{"name":"f","scalingConfig":{"minReplicas":20,"concurrencyControl":{}}}`)
	if err != nil {
		t.Fatal(err)
	}
	sc := s.ScalingConfig
	wantEqual(t, "strategy", sc.Strategy, "INTERNAL")
	wantEqual(t, "maxReplicas", sc.MaxReplicas, 20)
	wantEqual(t, "mode", sc.ConcurrencyControl.Mode, "FIXED")
	wantEqual(t, "thresholds", sc.ConcurrencyControl.LowLoadThreshold < sc.ConcurrencyControl.HighLoadThreshold, true)
}

func details(t testing.TB, err error) []string {
	t.Helper()
	var v *ValidationError
	if !errors.As(err, &v) {
		t.Fatalf("want a validation error, got %v", err)
	}
	return v.Details
}

func TestValidationNamesEveryViolationAtOnce(t *testing.T) {
	_, err := resolveJSON(t, `{"name":"-bad-","concurrency":0,"queueSize":-1,
		"maxRetries":-1,"timeoutMillis":0,"rateMaxPerSecond":-1,
		"scalingConfig":{"strategy":"S","minReplicas":-1,"maxReplicas":-2,"metrics":[{"type":"t","target":0},{"type":"prometheus","target":1}],
		"concurrencyControl":{"mode":"M","targetInFlightPerPod":0,"minTargetInFlightPerPod":9,"maxTargetInFlightPerPod":8,
		"upscaleCooldownMs":-1,"downscaleCooldownMs":-1,"highLoadThreshold":0.1,"lowLoadThreshold":0.2}}}`)
	got := details(t, err)
	fields := map[string]int{}
	for _, d := range got {
		field, what, ok := strings.Cut(d, ": ")
		if !ok || what == "" {
			t.Errorf("%q does not say what is wrong", d)
		}
		fields[field]++
	}
	const sc, cc = "scalingConfig.", "scalingConfig.concurrencyControl."
	for field, n := range map[string]int{
		"name": 1, "concurrency": 1, "queueSize": 1, "maxRetries": 1,
		"timeoutMillis": 1, "rateMaxPerSecond": 1, sc + "strategy": 1, sc + "minReplicas": 1,
		sc + "maxReplicas": 2, sc + "metrics[0].type": 1, sc + "metrics[0].target": 1, sc + "metrics[1].name": 1,
		cc + "mode": 1, cc + "targetInFlightPerPod": 1, cc + "minTargetInFlightPerPod": 1, cc + "upscaleCooldownMs": 1,
		cc + "downscaleCooldownMs": 1, cc + "lowLoadThreshold": 1,
	} {
		if fields[field] != n {
			t.Errorf("%s: %d violations, want %d", field, fields[field], n)
		}
		delete(fields, field)
	}
	if len(fields) > 0 {
		t.Errorf("also reported: %v", fields)
	}
	if !slices.IsSorted(got) {
		t.Error("the order is not the same in every run")
	}
}

func TestValidationOfNames(t *testing.T) {
	long := strings.Repeat("a", 128)
	for name, good := range map[string]bool{
		"a": true, "A1": true, "a.b-c_d": true, long: true, "9": true,
		"": false, long + "a": false, "-a": false, "a-": false, ".": false, "a b": false, "a:invoke": false, "a/b": false,
		"a\n": false, "ä": false, "a\x00b": false, "..": false,
	} {
		_, err := ResolveSpec(SpecInput{Name: &name})
		if (err == nil) != good {
			t.Errorf("name %q: %v", name, err)
		}
	}
	wantEqual(t, "missing", details(t, second(ResolveSpec(SpecInput{})))[0], "name: is required")
}

func second[A, B any](_ A, b B) B { return b }

func TestValidationOfUpperBounds(t *testing.T) {
	_, err := ResolveSpec(SpecInput{
		Name: ptr("f"), Concurrency: ptr(MaxConcurrency + 1), QueueSize: ptr(MaxQueueSize + 1),
		MaxRetries: ptr(MaxRetriesBound + 1), TimeoutMillis: ptr(MaxTimeoutMillis + 1), RateMaxPerSecond: ptr[int64](MaxRatePerSecond + 1),
	})
	wantEqual(t, "violations", len(details(t, err)), 5)
}

// Whatever the JSON, a spec is refused with reasons or resolved to one that
// resolves to itself.
func FuzzResolveSpec(f *testing.F) {
	f.Add(`{"name":"f"}`)
	f.Add(`{"name":"f","timeoutMillis":7}`)
	f.Add(`{"name":"f","scalingConfig":{"metrics":[{"type":"rps","target":1e400}],"concurrencyControl":{}}}`)
	f.Fuzz(func(t *testing.T, in string) {
		var input SpecInput
		if json.Unmarshal([]byte(in), &input) != nil {
			return
		}
		s, err := ResolveSpec(input)
		if err != nil {
			if len(details(t, err)) == 0 {
				t.Fatal("refused without a reason")
			}
			return
		}
		if s.Concurrency <= 0 || s.QueueSize <= 0 || s.MaxRetries < 0 || s.TimeoutMillis <= 0 {
			t.Fatalf("out of range: %+v", s)
		}
		once, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := resolveJSON(t, string(once))
		if err != nil {
			t.Fatalf("%s is refused: %v", once, err)
		}
		twice, _ := json.Marshal(again)
		wantEqual(t, "resolved twice", string(twice), string(once))
	})
}
