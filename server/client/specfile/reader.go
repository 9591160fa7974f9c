package specfile

import (
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strconv"

	"simplane/core/strictyaml"
	"simplane/server/funcspec"
)

// reader turns a tree into plain values under the guidance of a Go type, and
// collects what does not fit.
type reader struct {
	strictyaml.Problems
	lines map[string]int // where each field is, by its path
}

func (r *reader) fail(n *strictyaml.Node, format string, args ...any) any {
	r.Add(n.Line, format, args...)
	return nil
}

// value reads the node at path as a t.
func (r *reader) value(path string, n *strictyaml.Node, t reflect.Type) any {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if n.Null() && path != "" {
		return nil // like leaving it out
	}
	switch t.Kind() {
	case reflect.Struct:
		return r.object(path, n, t)
	case reflect.Map:
		return r.stringMap(path, n)
	case reflect.Slice:
		return r.list(path, n, t)
	}
	return r.scalar(path, n, t)
}

func (r *reader) object(path string, n *strictyaml.Node, t reflect.Type) any {
	if n.Kind != strictyaml.Mapping {
		return r.fail(n, "%smust be a mapping of keys to values, not %s", prefix(path), n.What())
	}
	out, fields := map[string]any{}, jsonFields(t)
	for key, value := range r.pairs(path, n) {
		at := strictyaml.Path(path, key.Text)
		field, ok := fields[key.Text]
		if !ok {
			r.fail(key, "unknown key %q%s", at, strictyaml.Nearest(key.Text, slices.Sorted(maps.Keys(fields))))
			continue
		}
		if v := r.value(at, value, field.Type); v != nil {
			out[key.Text] = v
		}
	}
	return out
}

// pairs are a mapping's keys and values; it notes where each is.
func (r *reader) pairs(path string, n *strictyaml.Node) iter.Seq2[*strictyaml.Node, *strictyaml.Node] {
	return func(yield func(key, value *strictyaml.Node) bool) {
		for key, value := range r.Pairs(path, n) {
			r.lines[strictyaml.Path(path, key.Text)] = key.Line
			if !yield(key, value) {
				return
			}
		}
	}
}

// stringMap reads env. A number or boolean there means its own text: nobody
// who writes PORT: 8080 wants to be told to quote it.
func (r *reader) stringMap(path string, n *strictyaml.Node) any {
	if n.Kind != strictyaml.Mapping {
		return r.fail(n, "%s: must be a mapping of names to strings, not %s", path, n.What())
	}
	out := map[string]any{}
	for key, value := range r.pairs(path, n) {
		if value.Kind != strictyaml.Scalar || value.Null() {
			r.fail(value, "%s: must be a string, not %s", strictyaml.Path(path, key.Text), value.What())
			continue
		}
		out[key.Text] = value.Text
	}
	return out
}

func (r *reader) list(path string, n *strictyaml.Node, t reflect.Type) any {
	if n.Kind != strictyaml.List {
		return r.fail(n, "%s: must be a list, not %s", path, n.What())
	}
	out := []any{}
	for i, item := range n.Items {
		at := fmt.Sprintf("%s[%d]", path, i)
		r.lines[at] = item.Line
		v := r.value(at, item, t.Elem())
		if v == nil && item.Null() {
			r.fail(item, "%s: must not be empty", at)
		}
		out = append(out, v)
	}
	return out
}

func (r *reader) scalar(path string, n *strictyaml.Node, t reflect.Type) any {
	if n.Kind != strictyaml.Scalar {
		return r.fail(n, "%s: must be %s, not %s", path, typeName(t), n.What())
	}
	switch t.Kind() {
	case reflect.String:
		if n.Tag == "!!str" {
			return n.Text
		}
		return r.fail(n, "%s: must be a string, not %s; put it in quotes", path, n.What())
	case reflect.Int, reflect.Int64:
		if i, ok := n.Int(); ok && (t.Kind() == reflect.Int64 || int64(int(i)) == i) {
			return i
		}
	case reflect.Bool:
		if n.Tag == "!!bool" {
			return n.Text == "true"
		}
	case reflect.Float64:
		if f, ok := n.Float(); ok {
			return f
		}
		if t == reflect.TypeFor[funcspec.Number]() && n.Tag == "!!str" && new(funcspec.Number).UnmarshalJSON([]byte(strconv.Quote(n.Text))) == nil {
			return n.Text
		}
	}
	return r.fail(n, "%s: must be %s, not %q", path, typeName(t), n.Text)
}

func prefix(path string) string {
	if path == "" {
		return "a function spec "
	}
	return path + ": "
}

func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Bool:
		return "true or false"
	case reflect.Float64:
		return "a number"
	}
	return "a string"
}
