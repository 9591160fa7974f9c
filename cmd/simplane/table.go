package main

import (
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// table collects rows and writes them in aligned columns.
type table struct {
	rows     [][]string
	flexible []string // heads of the columns that are cut on a narrow terminal, in this order
}

// narrowest is the width below which no column is cut.
const narrowest = 8

func newTable(head ...string) *table {
	t := &table{}
	t.row(head...)
	return t
}

// cut names the columns that give way on a terminal that is too narrow, the
// first one first. In pipes and files nothing is cut.
func (t *table) cut(heads ...string) *table {
	t.flexible = heads
	return t
}

// row adds a row, each cell on one line.
func (t *table) row(cells ...string) {
	own := make([]string, len(cells))
	for i, c := range cells {
		own[i] = oneLine(c)
	}
	t.rows = append(t.rows, own)
}

// widths are those of the columns, in characters.
func (t *table) widths() (w []int) {
	for _, row := range t.rows {
		for i, c := range row {
			if i == len(w) {
				w = append(w, 0)
			}
			w[i] = max(w[i], utf8.RuneCountInString(c))
		}
	}
	return w
}

// text is the table, at most width characters wide where its flexible columns
// can be cut so far; 0 = of any width. Lines have no blanks at their ends.
func (t *table) text(width int) string {
	w := t.widths()
	if width > 0 {
		over := 2*(len(w)-1) - width
		for _, n := range w {
			over += n
		}
		for _, head := range t.flexible {
			if i := slices.Index(t.rows[0], head); i >= 0 && over > 0 {
				less := min(over, max(w[i]-max(narrowest, len(head)), 0))
				w[i], over = w[i]-less, over-less
			}
		}
	}
	var b strings.Builder
	for _, row := range t.rows {
		line := ""
		for i, c := range row {
			if i > 0 {
				line += "  "
			}
			c = clipText(c, max(w[i], 1))
			line += c + strings.Repeat(" ", w[i]-utf8.RuneCountInString(c))
		}
		b.WriteString(strings.TrimRight(line, " "))
		b.WriteByte('\n')
	}
	return b.String()
}

func (t *table) print(w io.Writer) error {
	_, err := io.WriteString(w, t.text(terminalWidth(w)))
	return err
}

// terminalWidth is that of the terminal that w writes to; 0 when it is none.
func terminalWidth(w io.Writer) int {
	f := terminalOf(w)
	if f == nil {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width < 1 {
		return 80 // a terminal that does not know its size
	}
	return width
}
