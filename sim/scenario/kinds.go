package scenario

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// kind is the type of a field: it decodes, prints and describes its values.
// into and from are pointers to the field.
type kind interface {
	decode(d *decoder, n *yaml.Node, where string, into any)
	print(w *printer, from any)
	schema() map[string]any
}

// value gives the text of a scalar node of one of the tags, else reports.
func (d *decoder) value(n *yaml.Node, where, want string, tags ...string) (string, bool) {
	if n = d.enter(n); n == nil {
		return "", false
	}
	defer d.leave()
	switch {
	case n.Kind != yaml.ScalarNode:
		d.add(n.Line, "%s: a %s where %s is expected", where, kindName(n), want)
	case n.ShortTag() == "!!null":
		d.add(n.Line, "%s: no value; write %s, or leave the key out", where, want)
	case !slices.Contains(tags, n.ShortTag()):
		d.add(n.Line, "%s: %s is not %s", where, shown(n.Value), want)
	default:
		return n.Value, true
	}
	return "", false
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "mapping"
	case yaml.SequenceNode:
		return "list"
	}
	return "scalar"
}

type text struct{}

func (text) decode(d *decoder, n *yaml.Node, where string, into any) {
	s, ok := d.value(n, where, "text", "!!str", "!!int", "!!float", "!!bool")
	if ok && strings.TrimSpace(s) == "" {
		d.add(n.Line, "%s: blank; write some text", where)
	}
	*into.(*string) = s
}
func (text) print(w *printer, from any) { w.text(*from.(*string)) }
func (text) schema() map[string]any     { return map[string]any{"type": "string", "minLength": 1} }

// scalar is any scalar, kept as text: what it must be depends on its
// neighbours.
type scalar struct{}

func (scalar) decode(d *decoder, n *yaml.Node, where string, into any) {
	*into.(*string), _ = d.value(n, where, "a number or a duration", "!!str", "!!int", "!!float")
}
func (scalar) print(w *printer, from any) { w.raw(*from.(*string)) }
func (scalar) schema() map[string]any     { return map[string]any{"type": []string{"string", "integer"}} }

type boolean struct{}

func (boolean) decode(d *decoder, n *yaml.Node, where string, into any) {
	s, ok := d.value(n, where, "true or false", "!!bool")
	*into.(*bool) = ok && strings.EqualFold(s, "true")
}
func (boolean) print(w *printer, from any) { w.raw(strconv.FormatBool(*from.(*bool))) }
func (boolean) schema() map[string]any     { return map[string]any{"type": "boolean"} }

type choice struct{ words []string }

func (c choice) decode(d *decoder, n *yaml.Node, where string, into any) {
	s, ok := d.value(n, where, "one of "+strings.Join(c.words, ", "), "!!str", "!!int", "!!float", "!!bool")
	if ok && !slices.Contains(c.words, s) {
		d.add(n.Line, "%s: %s is unknown%s", where, shown(s), nearest(s, c.words))
	}
	*into.(*string) = s
}
func (c choice) print(w *printer, from any) { w.text(*from.(*string)) }
func (c choice) schema() map[string]any {
	return map[string]any{"type": "string", "enum": c.words}
}

// integer is a whole number in [low, high].
type integer struct{ low, high int64 }

func (t integer) decode(d *decoder, n *yaml.Node, where string, into any) {
	s, ok := d.value(n, where, "a whole number", "!!int")
	if !ok {
		return
	}
	v, err := strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 0, 64)
	if err != nil || v < t.low || v > t.high {
		d.add(n.Line, "%s: %s is out of range; use %d to %d", where, shown(s), t.low, t.high)
		return
	}
	switch p := into.(type) {
	case *int:
		*p = int(v)
	case *int64:
		*p = v
	case *uint64:
		*p = uint64(v)
	}
}
func (integer) print(w *printer, from any) {
	switch p := from.(type) {
	case *int:
		w.raw(strconv.Itoa(*p))
	case *int64:
		w.raw(strconv.FormatInt(*p, 10))
	case *uint64:
		w.raw(strconv.FormatUint(*p, 10))
	}
}
func (t integer) schema() map[string]any {
	return map[string]any{"type": "integer", "minimum": t.low, "maximum": t.high}
}

// number is a finite real number in [low, high].
type number struct{ low, high float64 }

func (t number) decode(d *decoder, n *yaml.Node, where string, into any) {
	s, ok := d.value(n, where, "a number", "!!int", "!!float")
	if !ok {
		return
	}
	v, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	if err != nil || math.IsNaN(v) || v < t.low || v > t.high {
		d.add(n.Line, "%s: %s is out of range; use %v to %v", where, shown(s), t.low, t.high)
		return
	}
	*into.(*float64) = v
}
func (number) print(w *printer, from any) {
	w.raw(strconv.FormatFloat(*from.(*float64), 'f', -1, 64))
}
func (t number) schema() map[string]any {
	return map[string]any{"type": "number", "minimum": t.low, "maximum": t.high}
}

// span is a duration in [low, high].
type span struct{ low, high time.Duration }

func (t span) decode(d *decoder, n *yaml.Node, where string, into any) {
	s, ok := d.value(n, where, "a duration such as 250ms or 10m", "!!str", "!!int", "!!float")
	if !ok {
		return
	}
	v, err := time.ParseDuration(s)
	switch {
	case err != nil && isNumber(s):
		d.add(n.Line, "%s: %s has no unit; write %sms or %ss", where, shown(s), s, s)
	case err != nil:
		d.add(n.Line, "%s: %s is not a duration, or too long; write one such as 250ms or 10m", where, shown(s))
	case v < t.low || v > t.high:
		d.add(n.Line, "%s: %s is out of range; use %v to %v", where, shown(s), t.low, t.high)
	default:
		*into.(*time.Duration) = v
	}
}
func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil && len(s) <= 20
}
func (span) print(w *printer, from any) { w.raw(duration(*from.(*time.Duration))) }
func (t span) schema() map[string]any {
	pattern := `^([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)`
	if t.low < 0 {
		pattern = `^[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)`
	}
	return map[string]any{"anyOf": []any{
		map[string]any{"type": "string", "pattern": pattern},
		map[string]any{"const": 0},
	}}
}

// counts is a list of whole numbers, 0 or more.
type counts struct{}

func (counts) decode(d *decoder, n *yaml.Node, where string, into any) {
	if n = d.enter(n); n == nil {
		return
	}
	defer d.leave()
	if n.Kind != yaml.SequenceNode {
		d.add(n.Line, "%s: a %s where a list of whole numbers is expected", where, kindName(n))
		return
	}
	out := make([]int, len(n.Content))
	for i, item := range n.Content {
		integer{0, maxCount}.decode(d, item, fmt.Sprintf("%s[%d]", where, i), &out[i])
	}
	*into.(*[]int) = out
}
func (counts) print(w *printer, from any) {
	w.raw("[")
	for i, c := range *from.(*[]int) {
		if i > 0 {
			w.raw(", ")
		}
		w.raw(strconv.Itoa(c))
	}
	w.raw("]")
}
func (counts) schema() map[string]any {
	return map[string]any{"type": "array", "minItems": 1, "items": integer{0, maxCount}.schema()}
}

// percentiles is a mapping such as {p50: 40ms, p99.9: 1s}.
type percentiles struct{}

func (percentiles) decode(d *decoder, n *yaml.Node, where string, into any) {
	if n = d.enter(n); n == nil {
		return
	}
	defer d.leave()
	if n.Kind != yaml.MappingNode {
		d.add(n.Line, "%s: a %s where percentiles such as {p50: 40ms, p99: 1s} are expected", where, kindName(n))
		return
	}
	var out []Percentile
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		rank, err := strconv.ParseFloat(strings.TrimPrefix(key.Value, "p"), 64)
		if err != nil || !(rank >= 0 && rank <= 100) || key.Kind != yaml.ScalarNode {
			d.add(key.Line, "%s: %s is not a percentile; write p0 to p100", where, shown(key.Value))
			continue
		}
		p := Percentile{Rank: rank}
		anyTime.decode(d, n.Content[i+1], where+"."+key.Value, &p.Value)
		out = append(out, p)
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Rank < out[j].Rank })
	for i := 1; i < len(out); i++ {
		if out[i].Rank == out[i-1].Rank || out[i].Value < out[i-1].Value {
			d.add(n.Line, "%s: p%v must have one value, not below that of p%v", where, out[i].Rank, out[i-1].Rank)
		}
	}
	*into.(*[]Percentile) = out
}
func (percentiles) print(w *printer, from any) {
	w.raw("{")
	for i, p := range *from.(*[]Percentile) {
		if i > 0 {
			w.raw(", ")
		}
		w.raw("p" + strconv.FormatFloat(p.Rank, 'f', -1, 64) + ": " + duration(p.Value))
	}
	w.raw("}")
}
func (percentiles) schema() map[string]any {
	return map[string]any{
		"type": "object", "minProperties": 1, "additionalProperties": false,
		"patternProperties": map[string]any{`^p?[0-9]+(\.[0-9]+)?$`: anyTime.schema()},
	}
}

// duration prints without the zero parts of time.Duration.String: 1h, not
// 1h0m0s.
func duration(v time.Duration) string {
	s := v.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}
