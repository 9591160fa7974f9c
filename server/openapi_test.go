package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"simplane/server/harness/specs"
	"simplane/server/internal/auth"
)

// document is the OpenAPI document as the tests read it.
type document struct {
	Paths map[string]map[string]operation `json:"paths"`
	root  any
}

type operation struct {
	Parameters  []json.RawMessage          `json:"parameters"`
	RequestBody *requestBody               `json:"requestBody"`
	Responses   map[string]json.RawMessage `json:"responses"`
}

type requestBody struct {
	Content map[string]json.RawMessage `json:"content"`
}

var loadDocument = sync.OnceValue(func() *document {
	d := &document{}
	if err := json.Unmarshal(openAPI, d); err != nil {
		panic(err)
	}
	root, err := jsonschema.UnmarshalJSON(bytes.NewReader(openAPI))
	if err != nil {
		panic(err)
	}
	d.root = root
	return d
})

var schemas struct {
	sync.Mutex
	compiled map[string]*jsonschema.Schema
}

// schemaAt compiles the schema at a JSON pointer into the document.
func schemaAt(pointer string) (*jsonschema.Schema, error) {
	schemas.Lock()
	defer schemas.Unlock()
	if s := schemas.compiled[pointer]; s != nil {
		return s, nil
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	if err := c.AddResource("http://simplane/openapi.json", loadDocument().root); err != nil {
		return nil, err
	}
	s, err := c.Compile("http://simplane/openapi.json#" + (&url.URL{Fragment: pointer}).EscapedFragment())
	if err != nil {
		return nil, err
	}
	if schemas.compiled == nil {
		schemas.compiled = map[string]*jsonschema.Schema{}
	}
	schemas.compiled[pointer] = s
	return s, nil
}

// at resolves a JSON pointer and any $ref it meets; it returns the value and
// the pointer to where it really is.
func at(pointer string) (any, string) {
	v, real := loadDocument().root, ""
	for _, key := range strings.Split(pointer, "/")[1:] {
		switch x := v.(type) {
		case map[string]any:
			v, real = x[strings.NewReplacer("~1", "/", "~0", "~").Replace(key)], real+"/"+key
		case []any:
			i, _ := strconv.Atoi(key)
			v, real = x[i], real+"/"+key
		default:
			return nil, real
		}
		if m, ok := v.(map[string]any); ok {
			if ref, ok := m["$ref"].(string); ok {
				v, real = at(strings.TrimPrefix(ref, "#"))
			}
		}
	}
	return v, real
}

func escape(key string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(key) }

func validate(pointer string, raw []byte) error {
	s, err := schemaAt(pointer)
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	return s.Validate(v)
}

// documentedPaths are the document's paths with what request paths they are for,
// made once: every request of every test asks for one.
var documentedPaths = sync.OnceValue(func() (all []pathPattern) {
	for _, p := range slices.Sorted(maps.Keys(loadDocument().Paths)) {
		pattern := strings.NewReplacer(`\{name\}`, `[^/:]*`, `\{id\}`, `[^/:]*`, `\{path\}`, `.*`).Replace(regexp.QuoteMeta(p))
		all = append(all, pathPattern{p, regexp.MustCompile("^" + pattern + "$")})
	}
	return all
})

type pathPattern struct {
	path    string
	matches *regexp.Regexp
}

// documentedPath finds the document's path that a request path belongs to.
func documentedPath(path string) string {
	for _, p := range documentedPaths() {
		if p.matches.MatchString(path) {
			return p.path
		}
	}
	return ""
}

// conforms holds an answer against the document: its status is documented for
// the route, its content type too, and its body matches the schema.
func conforms(method, path string, a *answer) error {
	if method == "HEAD" {
		return nil // as GET, without the body
	}
	p := documentedPath(path)
	op, known := loadDocument().Paths[p][strings.ToLower(method)]
	elsewhere := a.status == 404 && bytes.Contains(a.body, []byte("no such path")) // a route of the other address only
	if !known || elsewhere {
		if a.status != 404 && a.status != 405 {
			return errors.New("status of a route that is not documented")
		}
		return validate("/components/schemas/Error", a.body)
	}
	status := strconv.Itoa(a.status)
	if _, ok := op.Responses[status]; !ok {
		if _, any := op.Responses["default"]; any {
			return nil // a function's own, of any type
		}
		return errors.New("status not documented")
	}
	v, pointer := at("/paths/" + escape(p) + "/" + strings.ToLower(method) + "/responses/" + status)
	content, _ := v.(map[string]any)["content"].(map[string]any)
	if content == nil {
		if len(a.body) > 0 {
			return errors.New("documented without a body, but has one")
		}
		return nil
	}
	media, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	if err != nil {
		return err
	}
	if _, ok := content[media]; !ok {
		return fmt.Errorf("content type %q not documented", media)
	}
	if media != "application/json" {
		return nil
	}
	return validate(pointer+"/content/"+escape(media)+"/schema", a.body)
}

func TestOpenAPIDescribesExactlyTheRoutes(t *testing.T) {
	documented := map[string]bool{}
	for path, ops := range loadDocument().Paths {
		for method := range ops {
			documented[strings.ToUpper(method)+" "+path] = true
		}
	}
	for _, rt := range start(t).s.routes {
		key := rt.Method + " " + rt.Path
		if !documented[key] {
			t.Errorf("route %s is not in openapi.json", key)
		}
		delete(documented, key)
	}
	for key := range documented {
		t.Errorf("openapi.json describes %s, which is no route", key)
	}
}

func TestOpenAPIOperationsAreComplete(t *testing.T) {
	ids := map[string]string{}
	for path, ops := range loadDocument().Paths {
		for method := range ops {
			pointer := "/paths/" + escape(path) + "/" + method
			where := strings.ToUpper(method) + " " + path
			v, _ := at(pointer)
			op := v.(map[string]any)
			id, _ := op["operationId"].(string)
			if id == "" || ids[id] != "" {
				t.Errorf("%s: operationId %q is missing or also that of %s", where, id, ids[id])
			}
			ids[id] = where
			if op["summary"] == nil {
				t.Errorf("%s: no summary", where)
			}

			var params []string
			list, _ := op["parameters"].([]any)
			for i := range list {
				p, real := at(pointer + "/parameters/" + strconv.Itoa(i))
				m := p.(map[string]any)
				if m["in"] == "path" {
					params = append(params, "{"+m["name"].(string)+"}")
				}
				if _, err := schemaAt(real + "/schema"); err != nil {
					t.Errorf("%s: parameter %v: %v", where, m["name"], err)
				}
			}
			if want := regexp.MustCompile(`\{\w+\}`).FindAllString(path, -1); !slices.Equal(params, want) {
				t.Errorf("%s: path parameters %v, want %v", where, params, want)
			}

			protected := false
			for _, rt := range start(t).s.routes {
				protected = protected || rt.Scope != auth.ScopePublic && rt.Path == path && strings.EqualFold(rt.Method, method)
			}
			_, may401 := op["responses"].(map[string]any)["401"]
			if secured := op["security"] != nil; secured != protected || may401 != protected {
				t.Errorf("%s: security documented %v, 401 documented %v, but protected is %v", where, secured, may401, protected)
			}
		}
	}
}

func TestOpenAPIExamplesMatchTheirSchemas(t *testing.T) {
	checked := 0
	var walk func(v any, pointer string)
	walk = func(v any, pointer string) {
		switch x := v.(type) {
		case map[string]any:
			if _, has := x["schema"]; has {
				if _, err := schemaAt(pointer + "/schema"); err != nil {
					t.Errorf("%s: %v", pointer, err)
				}
				if example, ok := x["example"]; ok {
					raw, _ := json.Marshal(example)
					if err := validate(pointer+"/schema", raw); err != nil {
						t.Errorf("%s: %v", pointer, err)
					}
					checked++
				}
			}
			for key, child := range x {
				walk(child, pointer+"/"+escape(key))
			}
		case []any:
			for i, child := range x {
				walk(child, pointer+"/"+strconv.Itoa(i))
			}
		}
	}
	walk(loadDocument().root, "")
	if n := len(start(t).s.routes); checked < n {
		t.Errorf("only %d examples for %d routes", checked, n)
	}
}

// Every reference leads somewhere, and every component is referred to.
func TestOpenAPIReferences(t *testing.T) {
	used := map[string]bool{}
	for _, m := range regexp.MustCompile(`"\$ref": "#([^"]+)"`).FindAllSubmatch(openAPI, -1) {
		pointer := string(m[1])
		used[pointer] = true
		if v, _ := at(pointer); v == nil {
			t.Errorf("reference to %s, which is not there", pointer)
		}
	}
	components, _ := at("/components")
	for kind, group := range components.(map[string]any) {
		if kind == "securitySchemes" {
			continue
		}
		for name := range group.(map[string]any) {
			if pointer := "/components/" + kind + "/" + name; !used[pointer] {
				t.Errorf("%s is not used", pointer)
			}
		}
	}
}

// The document and the code agree on what a valid spec is, by examples.
func TestOpenAPISpecSchemaAgreesWithValidation(t *testing.T) {
	f := start(t)
	for i, tc := range specs.Cases {
		body := strings.ReplaceAll(tc.Body, "NAME", fmt.Sprintf("f%d", i))
		schemaErr := validate("/paths/~1v1~1functions/post/requestBody/content/application~1json/schema", []byte(body))
		a := f.post("/v1/functions", body)
		if accepted := a.status == 201 || a.status == 422; accepted != (schemaErr == nil) && !tc.BeyondSchema {
			t.Errorf("%s: answered %d %s, but by the schema: %v", body, a.status, a.body, schemaErr)
		}
	}
}

func TestOpenAPIIsServedOnBothAddresses(t *testing.T) {
	f := start(t)
	for _, a := range []*answer{f.get("/openapi.json"), f.onMgmt("GET", "/openapi.json", "")} {
		if !bytes.Equal(a.expect(200).body, openAPI) {
			t.Error("the document served is not the one embedded")
		}
	}
}
