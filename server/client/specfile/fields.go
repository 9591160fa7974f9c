package specfile

import (
	"reflect"
	"strings"
)

// jsonFields are the fields of t by their JSON names.
func jsonFields(t reflect.Type) map[string]reflect.StructField {
	all := map[string]reflect.StructField{}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		all[name] = f
	}
	return all
}
