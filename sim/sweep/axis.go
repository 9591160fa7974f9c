package sweep

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"simplane/sim/scenario"
)

// Axis is a setting and the values that it is given.
type Axis struct {
	Path   string   `json:"setting"` // such as functions.checkout.concurrency
	Values []string `json:"values"`  // as a scenario file has them
}

// Bounds of a sweep, beyond which it is a mistake.
const (
	maxValues = 1000
	maxCells  = 10_000
	MaxSeeds  = 1000
)

// ParseAxis reads PATH=V1,V2,A..B,A..B:STEP. Ranges have both ends; of whole numbers
// the step is 1 by default. The error says what to write.
func ParseAxis(s string) (Axis, error) {
	path, list, ok := strings.Cut(s, "=")
	if a := (Axis{Path: strings.TrimSpace(path)}); ok && a.Path != "" {
		for _, one := range scenario.SplitList(list) {
			values, err := parseValues(strings.TrimSpace(one))
			if err != nil {
				return a, fmt.Errorf("--set %s: %w", s, err)
			}
			if a.Values = append(a.Values, values...); len(a.Values) > maxValues {
				return a, fmt.Errorf("--set %s: more than %d values; use a larger step", s, maxValues)
			}
		}
		return a, a.distinct(s)
	}
	return Axis{}, fmt.Errorf("--set %s: write SETTING=VALUES, such as functions.NAME.concurrency=1..8 or functions.NAME.queueSize=10,100", s)
}

func (a *Axis) distinct(s string) error {
	seen := map[string]bool{}
	for _, v := range a.Values {
		if seen[v] {
			return fmt.Errorf("--set %s: %s is there twice; remove one", s, v)
		}
		seen[v] = true
	}
	return nil
}

// parseValues is one value, or those of a range.
func parseValues(one string) ([]string, error) {
	from, rest, ok := strings.Cut(one, "..")
	if !ok || strings.ContainsAny(one, "{[\"'") {
		if one == "" {
			return nil, fmt.Errorf("an empty value; write values with single commas between them")
		}
		return []string{one}, nil
	}
	to, by, stepped := strings.Cut(rest, ":")
	for _, u := range units {
		low, err1 := u.parse(from)
		high, err2 := u.parse(to)
		step, err3 := u.step, error(nil)
		if stepped {
			step, err3 = u.parse(by)
		}
		if err1 != nil || err2 != nil || err3 != nil {
			continue
		}
		switch {
		case step == 0 && !stepped:
			return nil, fmt.Errorf("%s has no step; write one behind a colon, such as %s:%s", one, one, u.example)
		case step <= 0:
			return nil, fmt.Errorf("%s: the step is not above 0", one)
		case high < low:
			return nil, fmt.Errorf("%s: its end is before its beginning; write %s..%s", one, to, from)
		case (high-low)/step >= maxValues:
			return nil, fmt.Errorf("%s: more than %d values; use a larger step", one, maxValues)
		}
		var all []string
		for v := low; v <= high; v += step {
			all = append(all, u.show(v))
		}
		return all, nil
	}
	return nil, fmt.Errorf("%s is not a range; write A..B or A..B:STEP with whole numbers, decimals or durations", one)
}

// unit is what ranges count in, so that no value is rounded.
type unit struct {
	parse   func(string) (int64, error)
	show    func(int64) string
	step    int64 // by default; 0 = none
	example string
}

const decimals = 9

var units = []unit{
	{func(s string) (int64, error) { return strconv.ParseInt(s, 10, 32) }, func(v int64) string { return strconv.FormatInt(v, 10) }, 1, "1"},
	{parseDecimal, showDecimal, 0, "0.1"},
	{func(s string) (int64, error) { d, err := time.ParseDuration(s); return int64(d), err }, func(v int64) string { return time.Duration(v).String() }, 0, "10ms"},
}

// parseDecimal reads a number with up to nine decimals as billionths.
func parseDecimal(s string) (int64, error) {
	whole, part, _ := strings.Cut(s, ".")
	if len(part) > decimals || len(whole) > decimals || whole == "" {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseInt(whole+part+strings.Repeat("0", decimals-len(part)), 10, 64)
}

func showDecimal(v int64) string { return strconv.FormatFloat(float64(v)/1e9, 'f', -1, 64) }

// number is a value as a place on an axis; false if it has none, as words have.
func number(v string) (float64, bool) {
	if f, err := strconv.ParseFloat(v, 64); err == nil {
		return f, true
	}
	d, err := time.ParseDuration(v)
	return d.Seconds(), err == nil
}

// short is the last part of a path, which tells two axes apart unless they end alike.
func short(axes []Axis, i int) string {
	parts := strings.Split(axes[i].Path, ".")
	last := parts[len(parts)-1]
	for j := range axes {
		if j != i && strings.HasSuffix(axes[j].Path, "."+last) {
			return axes[i].Path
		}
	}
	return last
}
