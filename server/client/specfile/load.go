// Package specfile reads function specs as people write them: YAML or JSON,
// with every mistake reported by file and line. The server ignores keys it
// does not know, for forward compatibility; here an unknown key is an error,
// because in a file somebody edits it is nearly always a typing mistake.
package specfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"simplane/core"
	"simplane/core/strictyaml"
	"simplane/server/funcspec"
)

// Spec is one function spec of a file.
type Spec struct {
	File     string
	Line     int
	Body     json.RawMessage // as written, to be sent
	Resolved *funcspec.Spec  // with the defaults filled in, to be compared
}

// Load reads every spec in text; documents of YAML are separated by "---", and
// a document is a spec or a list of them. The error is a *strictyaml.Error.
func Load(file string, text []byte) ([]Spec, error) {
	docs, err := strictyaml.Parse(file, text)
	if err != nil {
		return nil, err
	}
	problems := strictyaml.Problems{File: file}
	if len(docs) == 0 {
		problems.Add(1, "the file holds no function spec")
	}
	var specs []Spec
	for _, doc := range docs {
		if doc.Kind != strictyaml.List {
			specs = append(specs, read(&problems, doc))
			continue
		}
		for _, item := range doc.Items { // none, when nothing was to be listed
			specs = append(specs, read(&problems, item))
		}
	}
	if err := problems.Err(); err != nil {
		return nil, err
	}
	return specs, nil
}

// Twice is the error of functions that several specs are given for; nil when
// there is none.
func Twice(specs []Spec) error {
	first := map[string]Spec{}
	var problems []strictyaml.Problem
	for _, s := range specs {
		name := s.Resolved.Name
		other, given := first[name]
		if !given {
			first[name] = s
			continue
		}
		problems = append(problems, strictyaml.Problem{File: s.File, Line: s.Line,
			What: fmt.Sprintf("the function %q is given a second time, first at %s:%d; remove one of them", name, other.File, other.Line)})
	}
	if len(problems) == 0 {
		return nil
	}
	return &strictyaml.Error{Problems: problems}
}

func read(problems *strictyaml.Problems, doc *strictyaml.Node) Spec {
	s := Spec{File: problems.File, Line: doc.Line}
	r := reader{Problems: strictyaml.Problems{File: problems.File}, lines: map[string]int{}}
	value := r.value("", doc, reflect.TypeFor[funcspec.Input]())
	if r.Any() {
		problems.Join(&r.Problems)
		return s
	}
	var in funcspec.Input
	var err error
	if s.Body, err = json.Marshal(value); err == nil {
		err = json.Unmarshal(s.Body, &in)
	}
	if err != nil {
		problems.Add(doc.Line, "%v", err)
		return s
	}
	resolved, err := funcspec.Resolve(in)
	if err == nil {
		view := funcspec.View(resolved)
		s.Resolved = &view
	}
	var invalid *core.ValidationError
	if errors.As(err, &invalid) {
		for _, detail := range invalid.Details {
			problems.Add(r.lineOf(detail, doc.Line), "%s", detail)
		}
	}
	return s
}

// lineOf finds where the field of a "field: what is wrong" is; for one that
// is missing, the line of what it is missing from.
func (r *reader) lineOf(detail string, otherwise int) int {
	field, _, _ := strings.Cut(detail, ":")
	for field != "" {
		if line, ok := r.lines[aliased(field, r.lines)]; ok {
			return line
		}
		field = field[:max(strings.LastIndexAny(field, ".["), 0)]
	}
	return otherwise
}

// aliased is the name that the file uses for a field with two names.
func aliased(field string, lines map[string]int) string {
	alias := map[string]string{"timeoutMillis": "timeoutMs", "endpointUrl": "url", "commands": "command"}[field]
	if _, given := lines[field]; alias != "" && !given {
		return alias
	}
	return field
}
