// Package specfile reads function specs as people write them: YAML or JSON,
// with every mistake reported by file and line. The server ignores keys it
// does not know, for forward compatibility; here an unknown key is an error,
// because in a file somebody edits it is nearly always a typing mistake.
package specfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"simplane/core"
)

// Spec is one function spec of a file.
type Spec struct {
	File     string
	Line     int
	Body     json.RawMessage // as written, to be sent
	Resolved *core.Spec      // with the defaults filled in, to be compared
}

// Problem is one mistake.
type Problem struct {
	File string
	Line int
	Text string
}

func (p Problem) Error() string { return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text) }

// Load reads every spec in text; documents of YAML are separated by "---".
// The error joins all Problems found.
func Load(file string, text []byte) ([]Spec, error) {
	docs, err := documents(file, text)
	if err != nil {
		return nil, err
	}
	var specs []Spec
	var errs []error
	for _, doc := range docs {
		s, problems := read(file, doc)
		errs = append(errs, problems...)
		specs = append(specs, s)
	}
	if len(docs) == 0 {
		errs = append(errs, Problem{file, 1, "the file holds no function spec"})
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return specs, nil
}

// documents parses text into trees that know their lines.
func documents(file string, text []byte) ([]*yaml.Node, error) {
	if t := bytes.TrimSpace(text); len(t) > 0 && t[0] == '{' {
		doc, line, err := parseJSON(text)
		if err != nil {
			return nil, Problem{file, line, err.Error()}
		}
		return []*yaml.Node{doc}, nil
	}
	var docs []*yaml.Node
	for dec := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if err == io.EOF {
			return docs, nil
		}
		if err != nil {
			return nil, yamlProblem(file, err)
		}
		if len(doc.Content) > 0 && doc.Content[0].Tag != "!!null" {
			docs = append(docs, doc.Content[0])
		}
	}
}

// yamlProblem takes the line out of the parser's message.
func yamlProblem(file string, err error) Problem {
	p := Problem{File: file, Line: 1, Text: strings.TrimPrefix(err.Error(), "yaml: ")}
	var rest string
	if n, _ := fmt.Sscanf(p.Text, "line %d:", &p.Line); n == 1 {
		_, rest, _ = strings.Cut(p.Text, ": ")
		p.Text = rest
	}
	return p
}

func read(file string, doc *yaml.Node) (Spec, []error) {
	s := Spec{File: file, Line: doc.Line}
	r := reader{file: file, lines: map[string]int{}}
	value := r.value("", doc, reflect.TypeFor[core.SpecInput]())
	if len(r.problems) > 0 {
		return s, r.problems
	}
	var in core.SpecInput
	var err error
	if s.Body, err = json.Marshal(value); err == nil {
		err = json.Unmarshal(s.Body, &in)
	}
	if err != nil {
		return s, []error{Problem{file, doc.Line, err.Error()}}
	}
	s.Resolved, err = core.ResolveSpec(in)
	var invalid *core.ValidationError
	if errors.As(err, &invalid) {
		for _, detail := range invalid.Details {
			r.problems = append(r.problems, Problem{file, r.lineOf(detail, doc.Line), detail})
		}
		slices.SortStableFunc(r.problems, func(a, b error) int { return a.(Problem).Line - b.(Problem).Line })
	}
	return s, r.problems
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
	alias := map[string]string{"timeoutMillis": "timeoutMs", "endpointUrl": "url"}[field]
	if _, given := lines[field]; alias != "" && !given {
		return alias
	}
	return field
}
