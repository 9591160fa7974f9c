package specfile

import (
	"reflect"
	"strings"
)

// fieldOf finds the field of t that has this JSON name.
func fieldOf(t reflect.Type, name string) (reflect.StructField, bool) {
	for f := range t.Fields() {
		if jsonName(f) == name {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// keys are the JSON names of t's fields.
func keys(t reflect.Type) []string {
	var all []string
	for f := range t.Fields() {
		all = append(all, jsonName(f))
	}
	return all
}
