package specfile

import (
	"reflect"
	"strings"
)

// jsonFields are the fields of t by their JSON names, those of embedded structs
// included.
func jsonFields(t reflect.Type) map[string]reflect.StructField {
	all := map[string]reflect.StructField{}
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); !f.Anonymous {
			all[name] = f
		}
	}
	return all
}
