package scenario

import (
	"fmt"
	"reflect"
	"slices"

	"gopkg.in/yaml.v3"
)

// record is a mapping with declared fields, decoded into a T.
type record[T any] struct {
	what   string
	fresh  func() T // with defaults
	fields []field[T]
	flow   bool               // printed on one line
	short  string             // the field that a bare scalar stands for; "" = none
	line   func(*T) *int      // where the line is kept; may be nil
	given  func(*T) *[]string // where the given keys are kept; may be nil
}

type field[T any] struct {
	key, doc string
	typ      kind
	must     bool
	at       func(*T) any // pointer to the field
}

func (r *record[T]) keys() []string {
	keys := make([]string, len(r.fields))
	for i, f := range r.fields {
		keys[i] = f.key
	}
	return keys
}

func (r *record[T]) find(key string) *field[T] {
	for i := range r.fields {
		if r.fields[i].key == key {
			return &r.fields[i]
		}
	}
	return nil
}

func (r *record[T]) decode(d *decoder, n *yaml.Node, where string, into any) {
	if n = d.enter(n); n == nil {
		return
	}
	defer d.leave()
	t := into.(*T)
	if r.line != nil {
		*r.line(t) = n.Line
	}
	if r.short != "" && n.Kind == yaml.ScalarNode {
		r.find(r.short).typ.decode(d, n, where, r.find(r.short).at(t))
		return
	}
	if n.Kind != yaml.MappingNode {
		d.add(n.Line, "%sa %s where a mapping is expected; it takes: %s", prefix(where), kindName(n), join(r.keys()))
		return
	}
	var seen []string
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			d.add(key.Line, "%sa %s as a key; write one of: %s", prefix(where), kindName(key), join(r.keys()))
			continue
		}
		f := r.find(key.Value)
		switch {
		case f == nil && key.Value == "<<":
			d.add(key.Line, "%smerge keys are not supported; write the fields out", prefix(where))
		case f == nil:
			d.add(key.Line, "%sunknown key %s in %s%s", prefix(where), shown(key.Value), r.what, nearest(key.Value, r.keys()))
		case slices.Contains(seen, f.key):
			d.add(key.Line, "%skey %q is there twice; leave one", prefix(where), f.key)
		default:
			seen = append(seen, f.key)
			f.typ.decode(d, value, dotted(where, f.key), f.at(t))
		}
	}
	for _, f := range r.fields {
		if f.must && !slices.Contains(seen, f.key) {
			d.add(n.Line, "%s%s without %q; add it (%s)", prefix(where), r.what, f.key, f.doc)
		}
	}
	if r.given != nil {
		*r.given(t) = seen
	}
}

func prefix(where string) string {
	if where == "" {
		return ""
	}
	return where + ": "
}

func dotted(where, key string) string {
	if where == "" {
		return key
	}
	return where + "." + key
}

func join(words []string) string {
	s := ""
	for i, w := range words {
		if i > 0 {
			s += ", "
		}
		s += w
	}
	return s
}

func (r *record[T]) print(w *printer, from any) { w.fields(r.flow, r.changed(from.(*T))) }

// changed lists the fields that were given or whose values are not the
// defaults.
func (r *record[T]) changed(t *T) []printed {
	def := r.fresh()
	var given []string
	if r.given != nil {
		given = *r.given(t)
	}
	var out []printed
	for _, f := range r.fields {
		value := f.at(t)
		if !f.must && !slices.Contains(given, f.key) && reflect.DeepEqual(reflect.ValueOf(value).Elem().Interface(), reflect.ValueOf(f.at(&def)).Elem().Interface()) {
			continue
		}
		out = append(out, printed{f.key, f.typ, value})
	}
	return out
}

func (r *record[T]) schema() map[string]any {
	properties := map[string]any{}
	required := []string{}
	for _, f := range r.fields {
		s := f.typ.schema()
		s["description"] = f.doc
		properties[f.key] = s
		if f.must {
			required = append(required, f.key)
		}
	}
	s := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		s["required"] = required
	}
	if r.short != "" {
		return map[string]any{"anyOf": []any{r.find(r.short).typ.schema(), s}}
	}
	return s
}

// list is a sequence of at least min records.
type list[T any] struct {
	of  *record[T]
	min int
}

func (l list[T]) decode(d *decoder, n *yaml.Node, where string, into any) {
	if n = d.enter(n); n == nil {
		return
	}
	defer d.leave()
	if n.Kind != yaml.SequenceNode {
		d.add(n.Line, "%s: a %s where a list of %ss is expected; begin each with '- '", where, kindName(n), l.of.what)
		return
	}
	if len(n.Content) < l.min {
		d.add(n.Line, "%s: empty; it needs at least %d", where, l.min)
	}
	out := make([]T, 0, len(n.Content))
	for i, item := range n.Content {
		t := l.of.fresh()
		l.of.decode(d, item, fmt.Sprintf("%s[%d]", where, i), &t)
		out = append(out, t)
		if d.spent {
			break
		}
	}
	*into.(*[]T) = out
}

func (l list[T]) print(w *printer, from any) {
	items := *from.(*[]T)
	for i := range items {
		w.item(l.of.flow, l.of.changed(&items[i]))
	}
}

func (l list[T]) schema() map[string]any {
	s := map[string]any{"type": "array", "items": l.of.schema()}
	if l.min > 0 {
		s["minItems"] = l.min
	}
	return s
}
