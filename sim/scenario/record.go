package scenario

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"simplane/core/strictyaml"
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
	at       func(*T) any  // pointer to the field
	beside   func(*T) bool // its value is in a side file and not printed; nil = never
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

func (r *record[T]) decode(p *problems, n *strictyaml.Node, where string, into any) {
	t := into.(*T)
	if r.line != nil {
		*r.line(t) = n.Line
	}
	if r.short != "" && n.Kind == strictyaml.Scalar {
		r.find(r.short).typ.decode(p, n, where, r.find(r.short).at(t))
		return
	}
	if n.Kind != strictyaml.Mapping {
		p.Add(n.Line, "%s%s where a mapping is expected; it takes: %s", prefix(where), found(n), strings.Join(r.keys(), ", "))
		return
	}
	var seen []string
	for key, value := range p.Pairs(where, n) {
		f := r.find(key.Text)
		if f == nil {
			p.Add(key.Line, "%sunknown key %s in %s%s", prefix(where), shown(key.Text), r.what, strictyaml.Nearest(key.Text, r.keys()))
			continue
		}
		seen = append(seen, f.key)
		f.typ.decode(p, value, strictyaml.Path(where, f.key), f.at(t))
	}
	for _, f := range r.fields {
		if f.must && !slices.Contains(seen, f.key) {
			p.Add(n.Line, "%s%s without %q; add it (%s)", prefix(where), r.what, f.key, f.doc)
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
		now := reflect.ValueOf(value).Elem()
		switch {
		case f.beside != nil && f.beside(t):
			continue
		case now.Kind() == reflect.Pointer && now.IsNil(): // taken away since it was read
			continue
		case !f.must && !slices.Contains(given, f.key) && reflect.DeepEqual(now.Interface(), reflect.ValueOf(f.at(&def)).Elem().Interface()):
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

func (l list[T]) decode(p *problems, n *strictyaml.Node, where string, into any) {
	if n.Kind != strictyaml.List {
		p.Add(n.Line, "%s: %s where a list of %ss is expected; begin each with '- '", where, found(n), l.of.what)
		return
	}
	if len(n.Items) < l.min {
		p.Add(n.Line, "%s: empty; it needs at least %d", where, l.min)
	}
	out := make([]T, 0, len(n.Items))
	for i, item := range n.Items {
		t := l.of.fresh()
		l.of.decode(p, item, fmt.Sprintf("%s[%d]", where, i), &t)
		out = append(out, t)
	}
	*into.(*[]T) = out
}

func (l list[T]) print(w *printer, from any) {
	items := *from.(*[]T)
	if w.flows > 0 {
		w.raw("[")
		for i := range items {
			if i > 0 {
				w.raw(", ")
			}
			w.flow(l.of.changed(&items[i]))
		}
		w.raw("]")
		return
	}
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
