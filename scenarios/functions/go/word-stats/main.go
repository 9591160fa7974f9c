// Command word-stats counts the words of {"text": string}.
package main

import (
	"encoding/json"
	"errors"
	"sort"
	"strings"
	"unicode"

	"simplane/scenarios/functions/go/function"
)

type count struct {
	Word  string `json:"word"`
	Count int    `json:"count"`
}

type stats struct {
	Words   int     `json:"words"`
	Unique  int     `json:"unique"`
	Longest string  `json:"longest"`
	Top     []count `json:"top"` // at most five, the most frequent first
}

func main() { function.Serve(handle) }

func handle(input json.RawMessage) (any, error) {
	var in struct{ Text *string }
	if err := json.Unmarshal(input, &in); err != nil || in.Text == nil {
		return nil, errors.New(`word-stats: the input must be {"text": string}`)
	}
	words := strings.FieldsFunc(strings.ToLower(*in.Text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r)
	})
	s := stats{Words: len(words), Top: []count{}}
	seen := map[string]int{}
	for _, w := range words {
		seen[w]++
		if len([]rune(w)) > len([]rune(s.Longest)) {
			s.Longest = w
		}
	}
	s.Unique = len(seen)
	for w, n := range seen {
		s.Top = append(s.Top, count{w, n})
	}
	sort.Slice(s.Top, func(i, j int) bool {
		a, b := s.Top[i], s.Top[j]
		return a.Count > b.Count || a.Count == b.Count && a.Word < b.Word
	})
	s.Top = s.Top[:min(5, len(s.Top))]
	return s, nil
}
