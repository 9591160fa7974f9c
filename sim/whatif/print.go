package whatif

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"simplane/sim/history"
)

// column is a figure of the comparison.
type column struct {
	name string
	of   func(*history.Figures) float64
	show func(float64) string
}

func count(v float64) string { return fmt.Sprintf("%.0f", v) }
func rate(v float64) string  { return fmt.Sprintf("%.1f", v) }
func ms(v float64) string {
	d := time.Duration(v)
	if d >= time.Second {
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}

// columns are goodput, latency, what failed, and refusals by reason.
func (c *Comparison) columns() []column {
	all := []column{
		{"goodput/s", func(f *history.Figures) float64 { return f.Goodput }, rate},
		{"p50", func(f *history.Figures) float64 { return float64(f.P50) }, ms},
		{"p99", func(f *history.Figures) float64 { return float64(f.P99) }, ms},
		{"errors", func(f *history.Figures) float64 { return float64(f.Errors) }, count},
		{"timeouts", func(f *history.Figures) float64 { return float64(f.Timeouts) }, count},
		{"retries", func(f *history.Figures) float64 { return float64(f.Retries) }, count},
		{"peak queue", func(f *history.Figures) float64 { return float64(f.PeakQueued) }, count},
		{"refused", func(f *history.Figures) float64 { return float64(f.AllRefused()) }, count},
	}
	var codes []string
	add := func(f *history.Figures) {
		for _, code := range f.Codes() {
			if !slices.Contains(codes, code) {
				codes = append(codes, code)
			}
		}
	}
	add(&c.Recorded)
	for i := range c.Simulated {
		for j := range c.Simulated[i].Runs {
			add(&c.Simulated[i].Runs[j])
		}
	}
	slices.Sort(codes)
	for _, code := range codes {
		all = append(all, column{code, func(f *history.Figures) float64 { return float64(f.Refused[code]) }, count})
	}
	return all
}

// cell is the median over the runs, and half the distance of the least from the
// most.
func (v *Variant) cell(col *column) string {
	median, least, most := v.middle(col.of)
	text := col.show(median)
	if spread := col.show((most - least) / 2); strings.ContainsAny(spread, "123456789") {
		text += " ±" + spread
	}
	return text
}

// Table has a row for each figure: as it was recorded, as it is simulated with the
// same settings, the distance between these two, and with each other setting.
func (c *Comparison) Table() (head []string, rows [][]string) {
	head = []string{"", "recorded", "simulated", "off by"}
	for i := range c.Simulated[1:] {
		head = append(head, c.Simulated[1+i].Settings)
	}
	columns := c.columns()
	for i := range columns {
		col := &columns[i]
		was := col.of(&c.Recorded)
		is, _, _ := c.Simulated[0].middle(col.of)
		row := []string{col.name, col.show(was), c.Simulated[0].cell(col), distance(col, was, is)}
		for j := range c.Simulated[1:] {
			row = append(row, c.Simulated[1+j].cell(col))
		}
		rows = append(rows, row)
	}
	return head, rows
}

// distance is how far a simulated figure is from the recorded one.
func distance(col *column, was, is float64) string {
	switch {
	case was == is:
		return "0"
	case was == 0:
		return "+" + col.show(is)
	}
	return fmt.Sprintf("%+.1f %%", 100*(is-was)/was)
}

// WriteText prints a comparison for people. Settings are too long for the head of
// a column: they have numbers there.
func (c *Comparison) WriteText(w io.Writer) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 2, 0, 2, ' ', tabwriter.AlignRight)
	head, rows := c.Table()
	for i := range c.Simulated[1:] {
		head[len(head)-len(c.Simulated)+1+i] = fmt.Sprintf("what if %d", i+1)
	}
	width := 0
	for _, row := range rows {
		width = max(width, len(row[0]))
	}
	for _, row := range append([][]string{head}, rows...) {
		fmt.Fprintf(t, "  %-*s\t%s\t\n", width, row[0], strings.Join(row[1:], "\t"))
	}
	_ = t.Flush()
	for i := range c.Simulated[1:] {
		fmt.Fprintf(&b, "  what if %d: %s\n", i+1, c.Simulated[1+i].Settings)
	}
	fmt.Fprintf(&b, "%.1fs, %d calls; medians of %d seeds, ± half their range; \"off by\" is the model's own error\n", c.Seconds, c.Recorded.Offered, c.Seeds)
	for _, n := range c.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteJSON prints a comparison as one object.
func (c *Comparison) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(c)
}
