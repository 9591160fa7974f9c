package specfile

import (
	"fmt"
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"
)

// reader turns a tree into plain values under the guidance of a Go type, and
// collects what does not fit.
type reader struct {
	file     string
	problems []error
	lines    map[string]int // where each field is, by its path
}

func (r *reader) fail(n *yaml.Node, format string, args ...any) any {
	r.problems = append(r.problems, Problem{r.file, n.Line, fmt.Sprintf(format, args...)})
	return nil
}

// value reads the node at path as a t. It cannot run away on an alias that
// contains itself: t is no recursive type.
func (r *reader) value(path string, n *yaml.Node, t reflect.Type) any {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if n.Tag == "!!null" && path != "" {
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

func (r *reader) object(path string, n *yaml.Node, t reflect.Type) any {
	if n.Kind != yaml.MappingNode {
		return r.fail(n, "%smust be a mapping of keys to values, not %s", prefix(path), kindName(n))
	}
	out := map[string]any{}
	r.pairs(path, n, func(key, value *yaml.Node, at string) {
		field, ok := fieldOf(t, key.Value)
		if !ok {
			r.fail(key, "unknown key %q%s", at, suggestion(t, key.Value))
			return
		}
		if v := r.value(at, value, field.Type); v != nil {
			out[key.Value] = v
		}
	})
	return out
}

// pairs visits a mapping's keys once each.
func (r *reader) pairs(path string, n *yaml.Node, visit func(key, value *yaml.Node, at string)) {
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		at := key.Value
		if path != "" {
			at = path + "." + at
		}
		if seen[key.Value] {
			r.fail(key, "key %q is given twice", at)
			continue
		}
		seen[key.Value] = true
		r.lines[at] = key.Line
		visit(key, n.Content[i+1], at)
	}
}

// stringMap reads env. A number or boolean there means its own text: nobody
// who writes PORT: 8080 wants to be told to quote it.
func (r *reader) stringMap(path string, n *yaml.Node) any {
	if n.Kind != yaml.MappingNode {
		return r.fail(n, "%s: must be a mapping of names to strings, not %s", path, kindName(n))
	}
	out := map[string]any{}
	r.pairs(path, n, func(key, value *yaml.Node, at string) {
		if value.Kind == yaml.AliasNode {
			value = value.Alias
		}
		if value.Kind != yaml.ScalarNode || value.Tag == "!!null" {
			r.fail(value, "%s: must be a string, not %s", at, kindName(value))
			return
		}
		out[key.Value] = value.Value
	})
	return out
}

func (r *reader) list(path string, n *yaml.Node, t reflect.Type) any {
	if n.Kind != yaml.SequenceNode {
		return r.fail(n, "%s: must be a list, not %s", path, kindName(n))
	}
	out := []any{}
	for i, item := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		r.lines[at] = item.Line
		v := r.value(at, item, t.Elem())
		if v == nil && item.Tag == "!!null" {
			r.fail(item, "%s: must not be empty", at)
		}
		out = append(out, v)
	}
	return out
}

func (r *reader) scalar(path string, n *yaml.Node, t reflect.Type) any {
	if n.Kind != yaml.ScalarNode {
		return r.fail(n, "%s: must be %s, not %s", path, typeName(t), kindName(n))
	}
	switch t.Kind() {
	case reflect.String:
		if n.Tag == "!!str" {
			return n.Value
		}
		return r.fail(n, "%s: must be a string, not %s; put it in quotes", path, kindName(n))
	case reflect.Int:
		var i int
		if n.Tag == "!!int" && n.Decode(&i) == nil {
			return i
		}
	case reflect.Float64:
		var f float64
		if (n.Tag == "!!int" || n.Tag == "!!float") && n.Decode(&f) == nil {
			return f
		}
	}
	return r.fail(n, "%s: must be %s, not %q", path, typeName(t), n.Value)
}

func prefix(path string) string {
	if path == "" {
		return "a function spec "
	}
	return path + ": "
}

func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Int:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	}
	return "a string"
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "a boolean"
	case "!!null":
		return "empty"
	case "!!str":
		return "a string"
	}
	return "a " + strings.TrimPrefix(n.Tag, "!!")
}
