package strictyaml

import (
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Problem is one mistake in a file.
type Problem struct {
	File string
	Line int
	What string // what is wrong, and what to do
}

func (p Problem) Error() string { return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.What) }

// Error lists every problem of a file, by line.
type Error struct{ Problems []Problem }

func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// maxProblems bounds a report: a file of another kind would fill screens.
const maxProblems = 20

// Problems collects what is wrong with a file.
type Problems struct {
	File string
	list []Problem
}

// Add reports a problem. Those beyond the twentieth are dropped.
func (p *Problems) Add(line int, format string, args ...any) {
	if len(p.list) < maxProblems {
		p.list = append(p.list, Problem{File: p.File, Line: max(line, 1), What: fmt.Sprintf(format, args...)})
	}
}

// Join adds the problems of another collection.
func (p *Problems) Join(other *Problems) {
	for _, o := range other.list {
		p.Add(o.Line, "%s", o.What)
	}
}

// Any says that a problem was reported.
func (p *Problems) Any() bool { return len(p.list) > 0 }

// Err is an *Error, or nil when nothing was reported.
func (p *Problems) Err() error {
	if len(p.list) == 0 {
		return nil
	}
	slices.SortStableFunc(p.list, func(a, b Problem) int { return a.Line - b.Line })
	return &Error{Problems: p.list}
}

// Pairs are the keys and values of a mapping. Keys that are no words, that
// merge or that come a second time are reported and left out. where is the
// mapping's path, "" for the root.
func (p *Problems) Pairs(where string, n *Node) iter.Seq2[*Node, *Node] {
	return func(yield func(key, value *Node) bool) {
		seen := map[string]bool{}
		for i := 0; i+1 < len(n.Items); i += 2 {
			key := n.Items[i]
			switch at := Path(where, key.Text); {
			case key.Kind != Scalar:
				p.Add(key.Line, "%s%s as a key; write a name", prefix(where), key.What())
			case key.Tag == "!!merge":
				p.Add(key.Line, "%smerge keys are not supported; write the fields out", prefix(where))
			case seen[key.Text]:
				p.Add(key.Line, "key %q is given twice; leave one", at)
			default:
				seen[key.Text] = true
				if !yield(key, n.Items[i+1]) {
					return
				}
			}
		}
	}
}

func prefix(where string) string {
	if where == "" {
		return ""
	}
	return where + ": "
}

// Path is the path of a mapping's key.
func Path(where, key string) string {
	if where == "" {
		return key
	}
	return where + "." + key
}

// Nearest proposes the known word closest to a misspelt one: "; did you mean
// X?", or all words when nothing is close.
func Nearest(word string, known []string) string {
	best, least := "", len(word)/3+2
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf("; did you mean %q?", best)
	case len(known) == 0:
		return ""
	case len(known) > 24:
		known = append(slices.Clone(known[:24]), "…")
	}
	return "; use one of: " + strings.Join(known, ", ")
}

// distance is Levenshtein's, on bytes.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return len(a) + len(b)
	}
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
