package scenario

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"simplane/core/strictyaml"
)

// kind is the type of a field: it decodes, prints and describes its values.
// into and from are pointers to the field.
type kind interface {
	decode(p *problems, n *strictyaml.Node, where string, into any)
	print(w *printer, from any)
	schema() map[string]any
}

// scalarText gives the text of a scalar node of one of the tags, else reports.
func scalarText(p *problems, n *strictyaml.Node, where, want string, tags ...string) (string, bool) {
	switch {
	case n.Kind != strictyaml.Scalar:
		p.Add(n.Line, "%s: %s where %s is expected", where, found(n), want)
	case n.Null():
		p.Add(n.Line, "%s: no value; write %s, or leave the key out", where, want)
	case !slices.Contains(tags, n.Tag):
		p.Add(n.Line, "%s: %s is not %s", where, shown(n.Text), want)
	default:
		return n.Text, true
	}
	return "", false
}

type text struct{}

func (text) decode(p *problems, n *strictyaml.Node, where string, into any) {
	s, ok := scalarText(p, n, where, "text", "!!str", "!!int", "!!float", "!!bool")
	if ok && strings.TrimSpace(s) == "" {
		p.Add(n.Line, "%s: blank; write some text", where)
	}
	*into.(*string) = s
}
func (text) print(w *printer, from any) { w.text(*from.(*string)) }
func (text) schema() map[string]any     { return map[string]any{"type": "string", "minLength": 1} }

// scalar is any scalar, kept as text: what it must be depends on its
// neighbours.
type scalar struct{}

func (scalar) decode(p *problems, n *strictyaml.Node, where string, into any) {
	*into.(*string), _ = scalarText(p, n, where, "a number or a duration", "!!str", "!!int", "!!float")
}
func (scalar) print(w *printer, from any) { w.raw(*from.(*string)) }
func (scalar) schema() map[string]any     { return map[string]any{"type": []string{"string", "integer"}} }

type boolean struct{}

func (boolean) decode(p *problems, n *strictyaml.Node, where string, into any) {
	s, ok := scalarText(p, n, where, "true or false", "!!bool")
	*into.(*bool) = ok && strings.EqualFold(s, "true")
}
func (boolean) print(w *printer, from any) { w.raw(strconv.FormatBool(*from.(*bool))) }
func (boolean) schema() map[string]any     { return map[string]any{"type": "boolean"} }

type choice struct{ words []string }

func (c choice) decode(p *problems, n *strictyaml.Node, where string, into any) {
	s, ok := scalarText(p, n, where, "one of "+strings.Join(c.words, ", "), "!!str", "!!int", "!!float", "!!bool")
	if ok && !slices.Contains(c.words, s) {
		p.Add(n.Line, "%s: %s is unknown%s", where, shown(s), strictyaml.Nearest(s, c.words))
	}
	*into.(*string) = s
}
func (c choice) print(w *printer, from any) { w.text(*from.(*string)) }
func (c choice) schema() map[string]any {
	return map[string]any{"type": "string", "enum": c.words}
}

// integer is a whole number in [low, high].
type integer struct{ low, high int64 }

func (t integer) decode(p *problems, n *strictyaml.Node, where string, into any) {
	s, ok := scalarText(p, n, where, "a whole number", "!!int")
	if !ok {
		return
	}
	v, err := strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 0, 64)
	if err != nil || v < t.low || v > t.high {
		p.Add(n.Line, "%s: %s is out of range; use %d to %d", where, shown(s), t.low, t.high)
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

func (t number) decode(p *problems, n *strictyaml.Node, where string, into any) {
	s, ok := scalarText(p, n, where, "a number", "!!int", "!!float")
	if !ok {
		return
	}
	v, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	if err != nil || math.IsNaN(v) || v < t.low || v > t.high {
		p.Add(n.Line, "%s: %s is out of range; use %v to %v", where, shown(s), t.low, t.high)
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

func (t span) decode(p *problems, n *strictyaml.Node, where string, into any) {
	s, ok := scalarText(p, n, where, "a duration such as 250ms or 10m", "!!str", "!!int", "!!float")
	if !ok {
		return
	}
	v, err := time.ParseDuration(s)
	switch {
	case err != nil && isNumber(s):
		p.Add(n.Line, "%s: %s has no unit; write %sms or %ss", where, shown(s), s, s)
	case err != nil:
		p.Add(n.Line, "%s: %s is not a duration, or too long; write one such as 250ms or 10m", where, shown(s))
	case v < t.low || v > t.high:
		p.Add(n.Line, "%s: %s is out of range; use %v to %v", where, shown(s), t.low, t.high)
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

// optional is a value that may be left out: its field is a pointer, nil then.
type optional[T any] struct {
	of    kind
	fresh func() T // the value before it is decoded; nil = the zero value
}

func (o optional[T]) decode(p *problems, n *strictyaml.Node, where string, into any) {
	v := new(T)
	if o.fresh != nil {
		*v = o.fresh()
	}
	o.of.decode(p, n, where, v)
	*into.(**T) = v
}
func (o optional[T]) print(w *printer, from any) { o.of.print(w, *from.(**T)) }
func (o optional[T]) schema() map[string]any     { return o.of.schema() }

// counts is a list of whole numbers, 0 or more.
type counts struct{}

func (counts) decode(p *problems, n *strictyaml.Node, where string, into any) {
	if n.Kind != strictyaml.List {
		p.Add(n.Line, "%s: %s where a list of whole numbers is expected", where, found(n))
		return
	}
	out := make([]int32, len(n.Items))
	for i, item := range n.Items {
		one := 0
		integer{0, maxCount}.decode(p, item, fmt.Sprintf("%s[%d]", where, i), &one)
		out[i] = int32(one)
	}
	*into.(*[]int32) = out
}
func (counts) print(w *printer, from any) {
	w.raw("[")
	for i, c := range *from.(*[]int32) {
		if i > 0 {
			w.raw(", ")
		}
		w.raw(strconv.Itoa(int(c)))
	}
	w.raw("]")
}
func (counts) schema() map[string]any {
	return map[string]any{"type": "array", "minItems": 1, "items": integer{0, maxCount}.schema()}
}

// instants is a list of times in order.
type instants struct{}

func (instants) decode(p *problems, n *strictyaml.Node, where string, into any) {
	if n.Kind != strictyaml.List {
		p.Add(n.Line, "%s: %s where a list of times such as [0s, 20ms] is expected", where, found(n))
		return
	}
	out := make([]time.Duration, len(n.Items))
	for i, item := range n.Items {
		anyTime.decode(p, item, fmt.Sprintf("%s[%d]", where, i), &out[i])
		if i > 0 && out[i] < out[i-1] {
			p.Add(item.Line, "%s[%d]: %v is before the time in front of it, %v; sort them", where, i, out[i], out[i-1])
		}
	}
	*into.(*[]time.Duration) = out
}
func (instants) print(w *printer, from any) {
	w.raw("[")
	for i, at := range *from.(*[]time.Duration) {
		if i > 0 {
			w.raw(", ")
		}
		w.raw(duration(at))
	}
	w.raw("]")
}
func (instants) schema() map[string]any {
	return map[string]any{"type": "array", "minItems": 1, "items": anyTime.schema()}
}

// percentiles is a mapping such as {p50: 40ms, p99.9: 1s}.
type percentiles struct{}

func (percentiles) decode(p *problems, n *strictyaml.Node, where string, into any) {
	if n.Kind != strictyaml.Mapping {
		p.Add(n.Line, "%s: %s where percentiles such as {p50: 40ms, p99: 1s} are expected", where, found(n))
		return
	}
	var out []Percentile
	for key, value := range p.Pairs(where, n) {
		rank, err := strconv.ParseFloat(strings.TrimPrefix(key.Text, "p"), 64)
		if err != nil || !(rank >= 0 && rank <= 100) {
			p.Add(key.Line, "%s: %s is not a percentile; write p0 to p100", where, shown(key.Text))
			continue
		}
		point := Percentile{Rank: rank}
		anyTime.decode(p, value, strictyaml.Path(where, key.Text), &point.Value)
		out = append(out, point)
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Rank < out[j].Rank })
	for i := 1; i < len(out); i++ {
		if out[i].Rank == out[i-1].Rank || out[i].Value < out[i-1].Value {
			p.Add(n.Line, "%s: p%v must have one value, not below that of p%v", where, out[i].Rank, out[i-1].Rank)
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

// found names what is there in place of what is expected.
func found(n *strictyaml.Node) string {
	if n.Null() {
		return "nothing"
	}
	return n.What()
}

// shown is a value as a message quotes it: short, and on one line.
func shown(s string) string {
	if len(s) > 40 {
		s = s[:40] + "…"
	}
	return fmt.Sprintf("%q", s)
}
