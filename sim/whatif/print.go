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
	return time.Duration(v).Round(10 * time.Microsecond).String()
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

// Table has a row for what was recorded, for what is simulated with the same
// settings, for the distance between these two, and for each other setting.
func (c *Comparison) Table() (head []string, rows [][]string) {
	columns := c.columns()
	head = []string{""}
	recorded, off := []string{"recorded"}, []string{"  off by"}
	for i := range columns {
		col := &columns[i]
		head = append(head, col.name)
		was := col.of(&c.Recorded)
		recorded = append(recorded, col.show(was))
		median, _, _ := c.Simulated[0].middle(col.of)
		off = append(off, distance(col, was, median))
	}
	rows = append(rows, recorded)
	for i := range c.Simulated {
		v := &c.Simulated[i]
		row := []string{"simulated, " + v.Label()}
		for j := range columns {
			row = append(row, v.cell(&columns[j]))
		}
		if rows = append(rows, row); i == 0 {
			rows = append(rows, off)
		}
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

// WriteText prints a comparison for people.
func (c *Comparison) WriteText(w io.Writer) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 2, 0, 2, ' ', tabwriter.AlignRight)
	head, rows := c.Table()
	width := 0
	for _, row := range rows {
		width = max(width, len([]rune(row[0])))
	}
	for _, row := range append([][]string{head}, rows...) {
		fmt.Fprintf(t, "%s%s\t%s\t\n", row[0], strings.Repeat(" ", width-len([]rune(row[0]))), strings.Join(row[1:], "\t"))
	}
	_ = t.Flush()
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
