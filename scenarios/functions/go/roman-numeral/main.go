// Command roman-numeral converts {"number": 1 to 3999} to {"roman": string}
// and back.
package main

import (
	"encoding/json"
	"errors"
	"strings"

	"simplane/scenarios/functions/go/function"
)

var numerals = []struct {
	value  int
	symbol string
}{
	{1000, "M"}, {900, "CM"}, {500, "D"}, {400, "CD"}, {100, "C"}, {90, "XC"},
	{50, "L"}, {40, "XL"}, {10, "X"}, {9, "IX"}, {5, "V"}, {4, "IV"}, {1, "I"},
}

func main() { function.Serve(handle) }

func handle(input json.RawMessage) (any, error) {
	var in struct {
		Number int
		Roman  string
	}
	if err := json.Unmarshal(input, &in); err != nil {
		return nil, errors.New(`roman-numeral: the input must be {"number": integer} or {"roman": string}`)
	}
	if in.Roman != "" {
		n := parse(in.Roman)
		// Writing the number again catches forms such as IIII and VX.
		if n == 0 || format(n) != in.Roman {
			return nil, errors.New("roman-numeral: not a roman numeral: " + in.Roman)
		}
		return map[string]int{"number": n}, nil
	}
	if in.Number < 1 || in.Number > 3999 {
		return nil, errors.New("roman-numeral: the number must be from 1 to 3999")
	}
	return map[string]string{"roman": format(in.Number)}, nil
}

func format(n int) string {
	var b strings.Builder
	for _, r := range numerals {
		for ; n >= r.value; n -= r.value {
			b.WriteString(r.symbol)
		}
	}
	return b.String()
}

// parse returns 0 for what is no numeral, or larger than any.
func parse(s string) int {
	n := 0
	for _, r := range numerals {
		for strings.HasPrefix(s, r.symbol) && n < 4000 {
			n += r.value
			s = s[len(r.symbol):]
		}
	}
	if s != "" || n > 3999 {
		return 0
	}
	return n
}
