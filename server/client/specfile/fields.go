package specfile

import (
	"fmt"
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

// suggestion names the known key nearest to a mistyped one, or all of them
// when there are few enough to be read.
func suggestion(t reflect.Type, name string) string {
	var best string
	var all []string
	least := len(name)/3 + 2
	for f := range t.Fields() {
		known := jsonName(f)
		all = append(all, known)
		if d := distance(strings.ToLower(name), strings.ToLower(known)); d < least {
			best, least = known, d
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf("; did you mean %q?", best)
	case len(all) <= 10:
		return "; known are " + strings.Join(all, ", ")
	}
	return ""
}

// distance is the number of one-letter edits between two words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
