package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"simplane/bench/chart"
	"simplane/bench/growth"
)

// growthTail ends the head of a row's table, after the sizes.
var growthTail = []string{"bends", "limit"}

const (
	limitKept, limitMissed = "kept", "missed"
)

// growthRows lays out the series of a row: a value for each size, then where it
// bends, and whether the largest size keeps the limit.
func growthRows(row growth.Row) (head []string, rows [][]string) {
	sizes := sizesOf(row)
	head = append(head, "figure")
	for _, s := range sizes {
		head = append(head, sizeText(s))
	}
	head = append(head, growthTail...)
	for _, s := range row.Series {
		cells := []string{s.Name}
		at := 0
		for _, p := range s.Points {
			for at < len(sizes) && !near(sizes[at], p.Size) {
				cells, at = append(cells, ""), at+1
			}
			cells, at = append(cells, pointText(s, p)), at+1
		}
		for ; at < len(sizes); at++ {
			cells = append(cells, "")
		}
		rows = append(rows, append(cells, bendText(s), limitText(s)))
	}
	return head, rows
}

// sizesOf lists the sizes of a row. Sizes that differ by how much a load added
// while it was measured share a column.
func sizesOf(row growth.Row) (sizes []float64) {
	for _, s := range row.Series {
		for _, p := range s.Points {
			at := 0
			for at < len(sizes) && sizes[at] < p.Size && !near(sizes[at], p.Size) {
				at++
			}
			if at < len(sizes) && near(sizes[at], p.Size) {
				continue
			}
			sizes = slices.Insert(sizes, at, p.Size)
		}
	}
	return sizes
}

func near(a, b float64) bool { return a <= 1.3*b && b <= 1.3*a }

func pointText(s growth.Series, p growth.Point) string {
	text := s.Text(p.Value)
	if p.Low > 0 && p.Low != p.High {
		text += fmt.Sprintf(" (%.2f–%.2f)", p.Low, p.High)
	}
	if p.Doubt != "" {
		text += " ?"
	}
	return text
}

func bendText(s growth.Series) string {
	if len(s.Points) < 2 {
		return "-"
	}
	last := s.Relative()[len(s.Points)-1].Value
	word := "no"
	if bend := s.Bend(); bend > 0 {
		word = "at " + sizeText(bend)
	}
	return fmt.Sprintf("%s (× %s)", word, growthFactor(last))
}

func growthFactor(v float64) string {
	if v >= 10 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func limitText(s growth.Series) string {
	held, judged := s.Held()
	if !judged {
		return ""
	}
	sign := "≤"
	if s.Higher {
		sign = "≥"
	}
	verdict := limitMissed
	if held {
		verdict = limitKept
	}
	if s.Points[len(s.Points)-1].Doubt != "" {
		verdict = "in doubt"
	}
	return fmt.Sprintf("%s: %s %s", verdict, sign, s.Text(s.Limit))
}

// sizeText writes a size as 10, 1.5k or 5M.
func sizeText(v float64) string {
	for _, u := range []struct {
		of   float64
		sign string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if v >= u.of {
			return fmt.Sprintf("%.3g%s", v/u.of, u.sign)
		}
	}
	return fmt.Sprintf("%.3g", v)
}

func (d *Document) growthText(w io.Writer) {
	for _, row := range d.Growth.Rows {
		head, rows := growthRows(row)
		fmt.Fprintf(w, "%s\n%s\n", row.Title, strings.Join(head, "\t"))
		for _, cells := range rows {
			fmt.Fprintln(w, strings.Join(cells, "\t"))
		}
		fmt.Fprintln(w)
	}
}

const growthNote = "Values of each size; of a load they are ratios to the bare echo under the same requests, measured in turns, with their 95 % intervals. " +
	"A ? marks one that something else than the two servers may have limited. A series bends at the first size from which on it is worse than at the smallest by more than its slack, interval considered; " +
	"what is allowed to grow with the size bends where it grows faster. In brackets is the value at the largest size, of that at the smallest. The charts are relative to the smallest size: a cost that does not depend on it is flat at 1."

func growthSections(r *growth.Result) []section {
	bends := table{Caption: "What bends", Head: []string{"row", "figure", "from", "smallest", "largest"}}
	limits := table{Caption: "Limits, at the largest size", Head: []string{"row", "figure", "value", "limit"}}
	for _, row := range r.Rows {
		for _, s := range row.Series {
			first, last := s.Points[0], s.Points[len(s.Points)-1]
			if bend := s.Bend(); bend > 0 {
				bends.Rows = append(bends.Rows, []string{row.Name, s.Name, sizeText(bend), pointText(s, first), pointText(s, last)})
			}
			if text := limitText(s); text != "" {
				limits.Rows = append(limits.Rows, []string{row.Name, s.Name, pointText(s, last), text})
			}
		}
	}
	out := []section{{Heading: "Overview", Note: growthNote, Tables: []table{bends, limits}}}
	for _, row := range r.Rows {
		head, rows := growthRows(row)
		out = append(out, section{
			Heading: row.Title, Note: row.What, Charts: growthCharts(row),
			Tables: []table{{Caption: fmt.Sprintf("By %s (%.0f s)", row.Size, row.Seconds), Head: head, Rows: rows}},
		})
	}
	return out
}

// growthCharts draws loads, times and memory in charts of their own, as many
// series a chart as there are colours; and those that may grow with the size apart,
// since they would flatten the others.
func growthCharts(row growth.Row) (charts []chart.Drawing) {
	var ratios, times, memory, linear []chart.Line
	for _, s := range row.Series {
		if len(s.Points) < 2 {
			continue
		}
		line := chart.Line{Name: s.Name}
		for _, p := range s.Relative() {
			line.Points = append(line.Points, chart.Point{X: p.Size, Y: p.Value, Low: p.Low, High: p.High})
		}
		into := &ratios
		switch {
		case s.Linear:
			into = &linear
		case s.Unit == "B":
			into = &memory
		case s.Unit != "":
			into = &times
		}
		*into = append(*into, line)
	}
	draw := func(title string, lines []chart.Line) {
		for ; len(lines) > 0; lines = lines[min(len(lines), chart.MaxLines):] {
			charts = append(charts, chart.Chart{
				Title: title, XLabel: row.Size, YLabel: "of the smallest size's", X: chart.Log, Y: chart.Log, Lines: lines[:min(len(lines), chart.MaxLines)],
			}.SVG())
		}
	}
	draw("Ratios, which should be flat", ratios)
	draw("Times, which should be flat", times)
	draw("Bytes, which should be flat", memory)
	draw("What may grow with the size", linear)
	return charts
}
