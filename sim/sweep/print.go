package sweep

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// show is an interval as people read it.
func (f *figure) interval(i Interval) string {
	text := f.show(i.Mean)
	if half := f.show(i.Half); strings.ContainsAny(half, "123456789") && i.Runs > 1 {
		text += " ±" + half
	}
	return text
}

// Table has a row for each setting.
func (r *Result) Table() (head []string, rows [][]string) {
	for i := range r.Axes {
		head = append(head, short(r.Axes, i))
	}
	for i := range standard {
		head = append(head, standard[i].Name)
	}
	for i := range r.SLOs {
		head = append(head, r.SLOs[i].Text)
	}
	if len(r.SLOs) > 0 {
		head = append(head, "")
	}
	for i := range r.Cells {
		c := &r.Cells[i]
		row := append([]string{}, c.Values...)
		for f := range standard {
			row = append(row, standard[f].interval(c.Figures[f]))
		}
		for f := range r.SLOs {
			row = append(row, r.SLOs[f].interval(c.SLO[f]))
		}
		if len(r.SLOs) > 0 {
			row = append(row, r.verdict(i))
		}
		rows = append(rows, row)
	}
	return head, rows
}

// The last column of a table with an SLO.
const (
	Kept     = "keeps it"
	Missed   = "misses it"
	Cheapest = "cheapest"
)

func (r *Result) verdict(cell int) string {
	switch {
	case r.Cheapest != nil && *r.Cheapest == cell:
		return Cheapest
	case r.Cells[cell].Kept:
		return Kept
	}
	return Missed
}

// Answer is the sentence that the sweep was made for; "" without an SLO.
func (r *Result) Answer() string {
	if len(r.SLOs) == 0 {
		return ""
	}
	var slos []string
	for i := range r.SLOs {
		slos = append(slos, r.SLOs[i].Text)
	}
	all := strings.Join(slos, " and ")
	if r.Cheapest == nil {
		return fmt.Sprintf("No setting keeps %s.", all)
	}
	c := &r.Cells[*r.Cheapest]
	var settings []string
	for i := range r.Axes {
		settings = append(settings, r.Axes[i].Path+"="+c.Values[i])
	}
	return fmt.Sprintf("The cheapest setting that keeps %s is %s, with %s %s.", all, strings.Join(settings, " "),
		standard[standardFigure(costFigure)].interval(c.Figure(costFigure)), costFigure)
}

// About says what the figures are.
func (r *Result) About() string { return about(r.Seeds, r.Seed) }

func about(seeds int, first uint64) string {
	if seeds == 1 {
		return fmt.Sprintf("One run each, with seed %d: no intervals.", first)
	}
	return fmt.Sprintf("Means of %d runs each, with the seeds %d to %d, ± half of the 95 %% confidence interval.", seeds, first, first+uint64(seeds)-1)
}

// Meanings are those of the figures' names.
const Meanings = "p50 and p99 are of the executions that succeed, from arrival to end; refused and failed are shares of the calls that no key answers; " +
	"slot seconds are how long there were slots while load lasted, of scaled functions their instances' time times what one runs at once."

// WriteText prints a sweep for people.
func (r *Result) WriteText(w io.Writer) error {
	head, rows := r.Table()
	text := aligned(head, rows) + r.About() + "\n"
	if a := r.Answer(); a != "" {
		text += a + "\n"
	}
	_, err := io.WriteString(w, text)
	return err
}

func aligned(head []string, rows [][]string) string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 2, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range append([][]string{head}, rows...) {
		fmt.Fprintf(t, "%s\t\n", strings.Join(row, "\t"))
	}
	_ = t.Flush()
	return b.String()
}

// WriteJSON prints a sweep as one object. Times are in seconds, shares from 0 to 1.
func (r *Result) WriteJSON(w io.Writer) error { return writeJSON(w, r) }

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// Table has a row for each figure.
func (c *Comparison) Table() (head []string, rows [][]string) {
	head = []string{"", c.A, c.B, "difference", ""}
	for i := range c.Rows {
		row := &c.Rows[i]
		f := row.figure
		difference, verdict := "no data", ""
		if d := row.Difference; d.Runs > 0 {
			difference = signed(f, d)
			if verdict = "no difference seen"; row.Differs {
				verdict = map[bool]string{true: "higher", false: "lower"}[d.Mean > 0]
			}
		}
		rows = append(rows, []string{f.Name, f.interval(row.A), f.interval(row.B), difference, verdict})
	}
	return head, rows
}

func signed(f *figure, d Interval) string {
	if d.Mean < 0 {
		d.Mean = -d.Mean
		return "-" + f.interval(d)
	}
	return "+" + f.interval(d)
}

// About says what the figures are.
func (c *Comparison) About() string {
	return about(c.Seeds, c.Seed) + " The difference is taken seed by seed; \"no difference seen\" where its interval has 0 in it."
}

// WriteText prints a comparison for people.
func (c *Comparison) WriteText(w io.Writer) error {
	head, rows := c.Table()
	head[1], head[2] = "A", "B"
	_, err := fmt.Fprintf(w, "%sA: %s\nB: %s\n%s\n", aligned(head, rows), c.A, c.B, c.About())
	return err
}

// WriteJSON prints a comparison as one object. Times are in seconds, shares from 0
// to 1.
func (c *Comparison) WriteJSON(w io.Writer) error { return writeJSON(w, c) }
