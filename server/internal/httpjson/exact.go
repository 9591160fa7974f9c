package httpjson

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"simplane/server/internal/jsonobject"
)

// Unmarshal is json.Unmarshal that knows a member by its exact name only, at
// every depth. The standard library takes NAME for name, too, and whichever
// comes last; what read the body before, such as a proxy that decides by it, would
// then have seen another value. The error is that of json.Unmarshal.
func Unmarshal(body []byte, v any) error {
	text, _ := exact(body, reflect.TypeOf(v))
	return json.Unmarshal(text, v)
}

// exact is text without the members that t has under no such name, and whether it has
// any: text itself where it has none, as nearly all have, and where it does not fit t,
// which the reader then says.
func exact(text []byte, t reflect.Type) (_ []byte, foreign bool) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()):
		return text, false
	case t.Kind() == reflect.Struct:
		return exactObject(text, t)
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		var elements []json.RawMessage
		if json.Unmarshal(text, &elements) != nil {
			return text, false
		}
		kept := make([][]byte, len(elements))
		for i, e := range elements {
			var has bool
			kept[i], has = exact(e, t.Elem())
			foreign = foreign || has
		}
		if foreign {
			return join('[', kept, ']'), true
		}
	}
	return text, false
}

func exactObject(text []byte, t reflect.Type) (_ []byte, foreign bool) {
	members := membersOf(t)
	type member struct {
		name  string
		value []byte
	}
	var kept []member
	dec := jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true))
	err := jsonobject.Read(dec, func(name []byte) (bool, error) {
		is, ok := members[string(name)]
		if !ok {
			foreign = true
			return false, nil
		}
		m := member{name: string(name)}
		value, err := jsonobject.Value(dec, text)
		if err == nil {
			var has bool
			m.value, has = exact(value, is)
			kept, foreign = append(kept, m), foreign || has
		}
		return true, err
	})
	if err != nil || !foreign {
		return text, false
	}
	parts := make([][]byte, len(kept))
	for i, m := range kept {
		quoted, _ := json.Marshal(m.name)
		parts[i] = append(append(quoted, ':'), m.value...)
	}
	return join('{', parts, '}'), true
}

// known has the members of the types that were met, each by its name.
var known sync.Map // reflect.Type to map[string]reflect.Type

func membersOf(t reflect.Type) map[string]reflect.Type {
	if members, ok := known.Load(t); ok {
		return members.(map[string]reflect.Type)
	}
	members := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			members[name] = f.Type
		}
	}
	known.Store(t, members)
	return members
}

func join(first byte, parts [][]byte, last byte) []byte {
	return append(append([]byte{first}, bytes.Join(parts, []byte{','})...), last)
}
