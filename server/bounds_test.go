package server

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"simplane/core"
)

// Every flag with a number is in the table, its help says the range, and both
// ends of the range are where values begin to be refused.
func TestFlagsKeepTheirBounds(t *testing.T) {
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	s := NewSettings(flags)
	byName := map[string]setting{}
	for _, b := range s.Config.bounded() {
		byName[flagName(b.key)] = b
	}
	flags.VisitAll(func(f *pflag.Flag) {
		switch f.Value.Type() {
		case "int", "int64", "float64", "duration":
		default:
			return
		}
		b, ok := byName[f.Name]
		if !ok {
			t.Errorf("--%s has no bounds", f.Name)
			return
		}
		if text := b.usage; f.Usage != text || !strings.Contains(text, "; ") {
			t.Errorf("--%s: the help is %q", f.Name, f.Usage)
		}
		if _, _, err := load(t, []string{"--" + f.Name + "=" + f.DefValue}, nil, ""); err != nil {
			t.Errorf("--%s: the default is refused: %v", f.Name, err)
		}
		for _, outside := range map[string][]string{
			"int": {"-1", "2147483648"}, "int64": {"-1", "1125899906842625"}, "float64": {"-0.1", "1.1", "NaN"}, "duration": {"-1ns", "876001h"},
		}[f.Value.Type()] {
			if _, _, err := load(t, []string{"--" + f.Name + "=" + outside}, nil, ""); err == nil || !strings.Contains(err.Error(), "--"+f.Name+": "+b.key+": must be ") {
				t.Errorf("--%s=%s: %v", f.Name, outside, err)
			}
		}
	})
}

// published is a bound as the API description has it.
type published struct{ low, high, otherwise float64 }

func publishedLimits() map[string]published {
	out := map[string]published{}
	all := reflect.ValueOf(core.Limits)
	for i := range all.NumField() {
		switch b := all.Field(i).Interface().(type) {
		case core.Bound[int64]:
			out[b.Name] = published{float64(b.Min), float64(b.Max), float64(b.Default)}
		case core.Bound[float64]:
			out[b.Name] = published{b.Min, b.Max, b.Default}
		case core.Bound[time.Duration]:
			out[b.Name+"Seconds"] = published{b.Min.Seconds(), b.Max.Seconds(), b.Default.Seconds()}
		}
	}
	out["timeoutMs"] = out["timeoutMillis"]
	out["rateMaxPerSecond"] = published{out["rateMaxPerSecond"].low, out["rateMaxPerSecond"].high, 0} // the default of a function's
	return out
}

// The API description says the same numbers.
func TestOpenAPIKeepsTheBounds(t *testing.T) {
	var doc map[string]any
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		t.Fatal(err)
	}
	limits, found := publishedLimits(), map[string]int{}
	check := func(name, at string, schema map[string]any) {
		want, known := limits[name]
		typ := schema["type"]
		if list, ok := typ.([]any); ok { // null beside it
			typ = list[0]
		}
		if !known || typ != "integer" && typ != "number" {
			return
		}
		found[name]++
		if schema["minimum"] != want.low || schema["maximum"] != want.high {
			t.Errorf("%s/%s: %v to %v, want %v to %v", at, name, schema["minimum"], schema["maximum"], want.low, want.high)
		}
		if otherwise, given := schema["default"]; given && otherwise != want.otherwise {
			t.Errorf("%s/%s: default %v, want %v", at, name, otherwise, want.otherwise)
		}
	}
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if name, ok := v["name"].(string); ok && name == "X-Timeout-Ms" {
				check("timeoutMs", at, v["schema"].(map[string]any))
			}
			for key, child := range v {
				if schema, ok := child.(map[string]any); ok && strings.HasSuffix(at, "/properties") {
					check(key, at, schema)
				}
				if key != "FunctionStats" { // sizes that were measured
					walk(at+"/"+key, child)
				}
			}
		case []any:
			for _, child := range v {
				walk(at+"/-", child)
			}
		}
	}
	walk("", doc)
	for name, least := range map[string]int{
		"concurrency": 2, "queueSize": 2, "maxRetries": 2, "timeoutMillis": 2, "timeoutMs": 2, "rateMaxPerSecond": 4, "minReplicas": 2, "maxReplicas": 2,
		"replicas": 2, "targetInFlightPerPod": 2, "upscaleCooldownMs": 2, "highLoadThreshold": 2, "lowLoadThreshold": 2,
		"syncQueueMaxConcurrency": 2, "syncQueueMaxDepth": 2, "syncQueueRetryAfterSeconds": 2,
	} {
		if found[name] < least {
			t.Errorf("%s is described %d times, want %d", name, found[name], least)
		}
	}
}
