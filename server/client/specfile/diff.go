package specfile

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"simplane/server/funcspec"
)

// Difference is one field that differs between two specs. Values are JSON;
// empty means that there is none.
type Difference struct {
	Field, Have, Want string
}

// String shows a difference. Values of env are left out: they are often
// secrets, and this ends up in logs.
func (d Difference) String() string {
	if strings.HasPrefix(d.Field, "env.") {
		switch {
		case d.Have == "":
			return d.Field + ": added"
		case d.Want == "":
			return d.Field + ": removed"
		}
		return d.Field + ": changed"
	}
	text := func(v string) string {
		if v == "" {
			return "(none)"
		}
		return v
	}
	return fmt.Sprintf("%s: %s -> %s", d.Field, text(d.Have), text(d.Want))
}

// Diff lists the fields that differ, sorted. What the server says of a function, which
// no file decides, is none of them: generation, rollout and trouble.
func Diff(have, want *funcspec.Spec) []Difference {
	a, b := flatten(have), flatten(want)
	fields := maps.Clone(a)
	maps.Copy(fields, b)
	var out []Difference
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		if a[field] != b[field] {
			out = append(out, Difference{field, a[field], b[field]})
		}
	}
	return out
}

// flatten maps each leaf's path to its JSON. Empty lists and objects are
// leaves that equal absent ones.
func flatten(s *funcspec.Spec) map[string]string {
	spec := *s
	spec.Generation, spec.Rollout, spec.Trouble = 0, nil, ""
	raw, _ := json.Marshal(spec)
	var tree any
	_ = json.Unmarshal(raw, &tree)
	out := map[string]string{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, child := range v {
				walk(strings.TrimPrefix(path+"."+k, "."), child)
			}
		case []any:
			for i, child := range v {
				walk(fmt.Sprintf("%s[%d]", path, i), child)
			}
		case nil: // the same as nothing
		default:
			leaf, _ := json.Marshal(v)
			out[path] = string(leaf)
		}
	}
	walk("", tree)
	return out
}
