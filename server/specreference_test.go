package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const specPage = "../docs/spec.md"

// specPageHead is what docs/spec.md says before its tables.
const specPageHead = `# The function spec

Every member that ` + "`POST /v1/functions`, `PUT /v1/functions/NAME` and `simplane fn apply`" + ` take, as
JSON or YAML. Unknown members are ignored over HTTP and refused by ` + "`fn apply`" + `, which reads files that
people write. Everything that is wrong is said at once. What was registered is shown with all defaults.
How a function takes its calls: [functions.md](functions.md); how instances are counted:
[autoscaling.md](autoscaling.md). This page is made from the program's description of its interface
(` + "`/openapi.json`" + `), which tests hold against what the server takes:
` + "`go test ./server -run SpecReference -update`" + `.

` + "```yaml" + `
# function.yaml: a server of two to ten processes, whose enqueued work outlives simplane
name: thumbnails
runtimeMode: HTTP
commands: [python3, thumbnails.py]
workingDirectory: /srv/thumbnails
concurrency: 16
queueSize: 500
timeoutMillis: 20000
maxRetries: 5
retryBackoff: {initialMs: 200, maxMs: 30000}
rateMaxPerSecond: 200
durability: disk
env: {LOG_LEVEL: info}
resources: {cpu: "1", memory: 256Mi}
scalingConfig:
  minReplicas: 2
  maxReplicas: 10
  concurrencyControl: {mode: STATIC_PER_POD, targetInFlightPerPod: 4}
` + "```" + `
`

// docs/spec.md lists the members of a spec: the page is made from the document of the
// interface, which other tests hold against what the server takes.
func TestSpecReference(t *testing.T) {
	page := specPageHead
	for _, table := range []struct{ title, schema, prefix string }{
		{"Members", "FunctionSpecInput", ""},
		{"`scalingConfig`", "ScalingConfigInput", ""},
		{"An element of `scalingConfig.metrics`", "ScalingMetricInput", ""},
	} {
		rows := specRows(t, "/components/schemas/"+table.schema, "")
		page += "\n## " + table.title + "\n\n| member | values | default | meaning |\n|---|---|---|---|\n" + strings.Join(rows, "\n") + "\n"
	}
	if *updateReference {
		if err := os.WriteFile(specPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got, err := os.ReadFile(specPage); err != nil || string(got) != page {
		t.Errorf("docs/spec.md is not what the program has (%v); write it anew: go test ./server -run SpecReference -update", err)
	}
}

// specRows are the rows of an object's members, and of those of the objects inside.
func specRows(t *testing.T, pointer, within string) (rows []string) {
	t.Helper()
	for _, name := range orderedMembers(t, pointer) {
		v, real := at(pointer + "/properties/" + escape(name))
		m := v.(map[string]any)
		description, _ := m["description"].(string)
		if description == "" {
			t.Errorf("%s%s has no description", within, name)
		}
		rows = append(rows, fmt.Sprintf("| `%s%s` | %s | %s | %s |", within, name, valuesOf(m), defaultOf(m), strings.ReplaceAll(description, "|", `\|`)))
		if m["properties"] != nil {
			rows = append(rows, specRows(t, real, within+name+".")...)
		}
	}
	return rows
}

// orderedMembers are the names of an object's members, in the document's order.
func orderedMembers(t *testing.T, pointer string) (names []string) {
	t.Helper()
	raw := json.RawMessage(openAPI)
	for _, part := range append(strings.Split(pointer, "/")[1:], "properties") {
		var object map[string]json.RawMessage
		if err := json.Unmarshal(raw, &object); err != nil {
			t.Fatalf("%s: %v", pointer, err)
		}
		raw = object[part]
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	for depth := 0; ; {
		token, err := d.Token()
		if err != nil {
			return names
		}
		switch delim, _ := token.(json.Delim); {
		case delim == '{' || delim == '[':
			depth++
		case delim == '}' || delim == ']':
			depth--
		case depth == 1: // a name: its value, which has not been read, is skipped
			names = append(names, token.(string))
			var value json.RawMessage
			if err := d.Decode(&value); err != nil {
				t.Fatalf("%s: %v", pointer, err)
			}
		}
	}
}

// valuesOf says in words what a schema allows beside null.
func valuesOf(m map[string]any) string {
	if one, ok := m["oneOf"].([]any); ok {
		first := one[0].(map[string]any)
		if ref, ok := first["$ref"].(string); ok {
			if strings.HasSuffix(ref, "FunctionName") {
				return "1 to 128 letters, digits, `.`, `_`, `-`"
			}
			return "an object"
		}
		return valuesOf(first) + ", or the same as text"
	}
	if enum, ok := m["enum"].([]any); ok {
		var values []string
		for _, v := range enum {
			if s, ok := v.(string); ok && s != "" {
				values = append(values, "`"+s+"`")
			}
		}
		return strings.Join(values, ", ")
	}
	kinds := []string{}
	switch k := m["type"].(type) {
	case string:
		kinds = append(kinds, k)
	case []any:
		for _, one := range k {
			kinds = append(kinds, one.(string))
		}
	}
	kinds = slices.DeleteFunc(kinds, func(k string) bool { return k == "null" })
	what := map[string]string{"string": "a text", "integer": "a whole number", "number": "a number", "array": "a list", "object": "an object"}[strings.Join(kinds, ",")]
	if inner, ok := m["additionalProperties"].(map[string]any); ok && inner["type"] == "string" {
		what = "an object of texts"
	}
	if items, ok := m["items"].(map[string]any); ok && items["type"] == "string" {
		what = "a list of texts"
	}
	low, high := m["minimum"], m["maximum"]
	switch {
	case low != nil && high != nil:
		what += fmt.Sprintf(", %v to %v", low, high)
	case m["exclusiveMinimum"] != nil:
		what += fmt.Sprintf(" above %v", m["exclusiveMinimum"])
	}
	return what
}

func defaultOf(m map[string]any) string {
	switch v := m["default"].(type) {
	case nil:
		return ""
	case string:
		return "`" + v + "`"
	case json.Number:
		return v.String()
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	default:
		return fmt.Sprint(v)
	}
}
