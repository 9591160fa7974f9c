package server

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// stdioAnswer is the part of a spec that makes a process answer all alike.
const stdioAnswer = `"runtimeMode":"STDIO","commands":["sh","-c","while read l; do echo '{\"output\":1}'; done"]`

// members are tried as each member of each request body.
var members = []string{
	`null`, `true`, `false`, `0`, `-1`, `1`, `2`, `1.5`, `2147483648`, `4294967296`, `9223372036854775808`, `1000001`, `604800001`,
	`""`, `" "`, `"x"`, `"1"`, `"success"`, `"running"`, `"LOCAL"`, `"POOL"`, `"HTTP"`, `"rps"`, `"cpu"`, `"a:b"`, `"\u0000"`, `"é"`, `"http://127.0.0.1/"`, `"http://127.0.0.1:0/"`,
	`"P"`, `"P0"`, `"PT"`, `"P0D"`, `"PT0S"`, `"PT1S"`, `"PT0.5S"`, `"PT1.S"`, `"PT.5S"`, `"PT1.5.5S"`, `"PT1H1M1S"`, `"P1D"`, `"P1DT1H"`, `"P1DT"`, `"P1W"`, `"P1Y"`, `"-PT1S"`, `"+PT1S"`, `"PT-1S"`,
	`"pt1s"`, `"PT1s"`, `" PT1S"`, `"PT1S "`, `"PT1e3S"`, `"PT99999999999999S"`, `"P1.5D"`, `"PT1,5S"`, `"1S"`,
	`[]`, `[null]`, `["x"]`, `[1]`, `[""]`, `{}`, `{"a":null}`, `{"a":1}`, `{"a":"b"}`, `{"":"b"}`, `{"a=b":"c"}`, `{"cpu":null}`, `{"code":null,"message":null}`, `{"code":1}`,
}

// beyondSchema are rules that the document cannot express, by the member whose
// value they may refuse, and why.
var beyondSchema = map[string]string{
	"executionMode": "POOL with an endpoint only", "commands": "not beside an endpoint", "command": "not beside an endpoint",
	"endpointUrl": "hosts and ports", "url": "hosts and ports",
	"timeoutMillis": "below staleTtl", "timeoutMs": "below staleTtl",
	"retryBackoff.maxMs": "not below initialMs",
	"scalingConfig.concurrencyControl.lowLoadThreshold": "below highLoadThreshold",
	"expectedRevision": "required, or revision, by PATCH",
	"type":             "a metric of the function", "name": "required where the path has none; a metric of the function",
}

// Each member of each request body, with values of every kind: what the
// document allows is taken, what it does not allow is refused.
func TestOpenAPIBodiesAgreeWithTheHandlers(t *testing.T) {
	once(t)
	tried := 0
	for path, ops := range loadDocument().Paths {
		for method, op := range ops {
			if op.RequestBody == nil || op.RequestBody.Content["application/json"] == nil { // or of any type
				continue
			}
			// A server of its own: a changed configuration is not for the others.
			f := start(t, func(c *Config) { c.Provider = ProviderProcess })
			f.register("f", "DEPLOYMENT", stdioAnswer, `"scalingConfig":{"strategy":"INTERNAL","minReplicas":0,"metrics":[{"type":"cpu","target":1},{"type":"prometheus","name":"x","target":1}]}`)
			f.hold("held")
			f.register("held", "LOCAL", `"queueSize":1000000`)
			b := &bodyTrial{f: f, method: strings.ToUpper(method), path: path}
			content := "/paths/" + escape(path) + "/" + method + "/requestBody/content/application~1json"
			example, _ := at(content + "/example")
			base, _ := json.Marshal(example)
			_, b.schema = at(content + "/schema")
			b.members(b.schema, nil, base)
			tried += b.tried
		}
	}
	if tried < 2000 {
		t.Errorf("only %d bodies were tried", tried)
	}
}

// bodyTrial tries bodies of one route.
type bodyTrial struct {
	f            *fixture
	method, path string
	schema       string // pointer to the body's
	tried        int
}

// members tries each member of the object whose schema is at pointer, and of
// the objects inside. within is the path to it in the body.
func (b *bodyTrial) members(pointer string, within []string, base []byte) {
	schema, _ := at(pointer)
	properties, _ := schema.(map[string]any)["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		path := append(slices.Clone(within), name)
		for _, value := range members {
			b.try(path, with(base, path, value))
		}
		inner, real := at(pointer + "/properties/" + escape(name))
		if one, _ := inner.(map[string]any)["oneOf"].([]any); one != nil {
			inner, real = at(real + "/oneOf/0") // the other is null
		}
		if inner.(map[string]any)["properties"] != nil {
			b.members(real, path, with(base, path, `{}`))
		}
	}
}

func (b *bodyTrial) try(path []string, body []byte) {
	b.tried++
	f, member := b.f, strings.Join(path, ".")
	target := strings.Replace(b.path, "{name}", "f", 1)
	switch {
	case b.method == "PUT" && b.path == "/v1/functions/{name}":
		target = "/v1/functions/new"
	case strings.HasSuffix(b.path, ":complete"):
		target = strings.Replace(b.path, "{id}", f.enqueue("held", "1").expect(202).str("executionId"), 1)
	case b.method == "PATCH" && !strings.HasSuffix(member, "evision"):
		body = with(body, []string{"expectedRevision"}, f.get("/v1/admin/runtime-config").raw("revision"))
	}
	allowed := validate(b.schema, body) == nil
	a := f.do(b.method, target, string(body))
	if a.status == 201 {
		f.do("DELETE", "/v1/functions/"+url.PathEscape(a.str("name")), "").expect(204)
	}
	switch {
	case !allowed && a.status != 400 && a.status != 422:
		f.t.Errorf("%s %s %s: the document does not allow it, but: %d %.200s", b.method, b.path, body, a.status, a.body)
	// A value that is well formed and makes no sense is 422 where that is
	// documented.
	case allowed && a.status == 400 && beyondSchema[member] == "":
		f.t.Errorf("%s %s %s: the document allows it, but: %d %.200s", b.method, b.path, body, a.status, a.body)
	}
}

// with is a JSON object with a member at a path set.
func with(base []byte, path []string, value string) []byte {
	m := map[string]json.RawMessage{}
	_ = json.Unmarshal(base, &m)
	if len(path) > 1 {
		value = string(with(m[path[0]], path[1:], value))
	}
	m[path[0]] = json.RawMessage(value)
	b, _ := json.Marshal(m)
	return b
}

// texts are tried as each parameter of each route.
var texts = []string{
	"0", "1", "-1", "1.5", "x", " ", "1000", "1001", "10000", "10001", "604800000", "604800001", "9223372036854775807", "9223372036854775808", "queued", "QUEUED", "Queued", "queued,error",
	"queued,", "input", "output", "both", "a:b", "00000000-0000-4000-8000-000000000000", strings.Repeat("x", 512), strings.Repeat("x", 513), "é",
}

// Each parameter in the query and each header, likewise. Names of functions
// that cannot be one are not found.
func TestOpenAPIParametersAgreeWithTheHandlers(t *testing.T) {
	once(t)
	f := start(t, func(c *Config) { c.Provider = ProviderProcess })
	f.register("f", "DEPLOYMENT", stdioAnswer)
	ignored := []string{"traceparent", "tracestate"} // as W3C asks, when they are not valid
	tried := 0
	for path, ops := range loadDocument().Paths {
		for method, op := range ops {
			body := ""
			if op.RequestBody != nil {
				example, _ := at("/paths/" + escape(path) + "/" + method + "/requestBody/content/application~1json/example")
				raw, _ := json.Marshal(example)
				body = string(raw)
			}
			for i := range op.Parameters {
				p, real := at("/paths/" + escape(path) + "/" + method + "/parameters/" + strconv.Itoa(i))
				parameter := p.(map[string]any)
				name := parameter["name"].(string)
				_, schema := at(real + "/schema")
				for _, value := range texts {
					target := strings.NewReplacer("{name}", "f", "{id}", "00000000-0000-4000-8000-000000000000").Replace(path)
					var headers []string
					switch in := parameter["in"]; {
					case in == "query":
						target += "?" + name + "=" + url.QueryEscape(value)
					case in == "header" && !slices.Contains(ignored, name) && strings.TrimSpace(value) == value:
						headers = []string{name, value}
					default:
						continue
					}
					tried++
					text, _ := json.Marshal(value)
					allowed := validate(schema, text) == nil
					if !allowed && json.Valid([]byte(value)) {
						allowed = validate(schema, []byte(value)) == nil // a number
					}
					a := f.do(strings.ToUpper(method), target, body, headers...)
					if refused := a.status == 400 || a.status == 404 && !allowed; refused == allowed {
						t.Errorf("%s %s, %s %.40q: allowed by the document: %v, but: %d %.200s", method, path, name, value, allowed, a.status, a.body)
					}
				}
			}
		}
	}
	if tried < 300 {
		t.Errorf("only %d parameters were tried", tried)
	}
}
