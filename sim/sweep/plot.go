package sweep

import (
	"math"
	"slices"
	"strings"

	"simplane/bench/chart"
)

// drawn are the standard figures that are drawn; those of an SLO come first.
var drawn = []string{"p99", "refused", "failed", "utilisation", "goodput/s"}

// plane is the cells of two axes, or of one, with the others' values fixed.
type plane struct {
	x, y  int    // axes; y < 0 = there is one only
	title string // the fixed values; "" = none are
	cells [][]int
}

// maxPlanes is how many are drawn, of each figure.
const maxPlanes = 6

// planes are those of the last two axes, whose values change fastest.
func (r *Result) planes() (all []plane) {
	n := len(r.Axes)
	x := n - 1
	wide, high := len(r.Axes[x].Values), 1
	p := plane{x: x, y: x - 1}
	if n > 1 {
		high = len(r.Axes[x-1].Values)
	}
	for first := 0; first < len(r.Cells); first += wide * high {
		p.cells, p.title = nil, ""
		for row := range high {
			line := make([]int, wide)
			for col := range line {
				line[col] = first + row*wide + col
			}
			p.cells = append(p.cells, line)
		}
		var fixed []string
		for i := 0; i < n-2; i++ {
			fixed = append(fixed, short(r.Axes, i)+" = "+r.Cells[first].Values[i])
		}
		p.title = strings.Join(fixed, ", ")
		all = append(all, p)
	}
	return all[:min(len(all), maxPlanes)]
}

// of is what of each cell is drawn: its figure, and what that is called.
type of struct {
	name  string
	shown *figure
	at    func(*Cell) Interval
}

func (r *Result) drawn() (all []of) {
	for i := range r.SLOs {
		all = append(all, of{r.SLOs[i].Name, &r.SLOs[i].figure, func(c *Cell) Interval { return c.SLO[i] }})
	}
	for _, name := range drawn {
		n := standardFigure(name)
		if !slices.ContainsFunc(all, func(o of) bool { return o.name == name }) {
			all = append(all, of{name, &standard[n], func(c *Cell) Interval { return c.Figures[n] }})
		}
	}
	return slices.DeleteFunc(all, func(o of) bool { return r.flat(o) })
}

// flat says that a figure is nothing but zeros or gaps.
func (r *Result) flat(o of) bool {
	for i := range r.Cells {
		if v := o.at(&r.Cells[i]).Mean; v != 0 && !math.IsNaN(v) {
			return false
		}
	}
	return true
}

// HeatMaps draw each figure over two axes; none of one axis.
func (r *Result) HeatMaps() (all []chart.Heat) {
	for _, o := range r.drawn() {
		for _, p := range r.planes() {
			if p.y < 0 {
				return nil
			}
			h := chart.Heat{Title: titled(o.name, p.title), XLabel: short(r.Axes, p.x), YLabel: short(r.Axes, p.y),
				X: r.Axes[p.x].Values, Y: r.Axes[p.y].Values, Show: o.shown.show, Mark: [2]int{-1, -1}}
			for y, line := range p.cells {
				row := make([]float64, len(line))
				for x, cell := range line {
					row[x] = o.at(&r.Cells[cell]).Mean
					if r.Cheapest != nil && *r.Cheapest == cell {
						h.Mark = [2]int{x, y}
					}
				}
				h.Values = append(h.Values, row)
			}
			all = append(all, h)
		}
	}
	return all
}

func titled(name, fixed string) string {
	if fixed == "" {
		return name
	}
	return name + ", " + fixed
}

// Curves draw each figure over the last axis, a line for each value of the one
// before, with the intervals as whiskers.
func (r *Result) Curves() (all []chart.Chart) {
	axis := &r.Axes[len(r.Axes)-1]
	places, numbers := make([]float64, len(axis.Values)), true
	for i, v := range axis.Values {
		var ok bool
		places[i], ok = number(v)
		numbers = numbers && ok
	}
	if !numbers {
		return nil // words have no places
	}
	scale := chart.Linear
	if wide(places) {
		scale = chart.Log
	}
	for _, o := range r.drawn() {
		unit := map[string]float64{asTime: 1000, asShare: 100}[o.shown.unit]
		if unit == 0 {
			unit = 1
		}
		label := map[string]string{asTime: "ms", asShare: "%"}[o.shown.unit]
		for _, p := range r.planes() {
			c := chart.Chart{Title: titled(o.name, p.title), XLabel: short(r.Axes, p.x), YLabel: strings.TrimSpace(o.name + " " + label), X: scale, FromZero: true}
			for y, line := range p.cells[:min(len(p.cells), chart.MaxLines)] {
				l := chart.Line{}
				if p.y >= 0 {
					l.Name = short(r.Axes, p.y) + " " + r.Axes[p.y].Values[y]
				}
				for x, cell := range line {
					in := o.at(&r.Cells[cell])
					l.Points = append(l.Points, chart.Point{X: places[x], Y: in.Mean * unit, Low: max(0, in.Mean-in.Half) * unit, High: (in.Mean + in.Half) * unit})
				}
				c.Lines = append(c.Lines, l)
			}
			if name := sloValue(r, o, unit); name != nil {
				c.Lines = append(c.Lines, limit(*name, places))
			}
			all = append(all, c)
		}
	}
	return all
}

// wide says that places are above 0 and span more than two powers of ten.
func wide(places []float64) bool {
	least, most := slices.Min(places), slices.Max(places)
	return least > 0 && most/least > 100
}

// sloValue is the value that a drawn SLO has, in its unit on the page.
func sloValue(r *Result, o of, unit float64) *float64 {
	for i := range r.SLOs {
		if o.shown == &r.SLOs[i].figure {
			v := r.SLOs[i].value * unit
			return &v
		}
	}
	return nil
}

// limit is a level line.
func limit(y float64, places []float64) chart.Line {
	return chart.Line{Name: "SLO", Dashed: true, Bare: true, Points: []chart.Point{{X: slices.Min(places), Y: y}, {X: slices.Max(places), Y: y}}}
}
