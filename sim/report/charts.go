package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"
	"time"

	"simplane/sim"
)

// chart is one plot of the page.
type chart struct {
	Title string
	SVG   template.HTML
}

// line is one curve, a value for each x; NaN is a gap.
type line struct {
	name   string
	y      []float64
	steps  bool // a number that stays until it changes; else joined straight
	dashed bool // and grey: lets a curve below show
}

// maxLines is how many functions get a curve of their own.
const maxLines = 6

func charts(r *sim.Result) []chart {
	p := r.Plot
	if p == nil || len(p.Ended) == 0 {
		return nil
	}
	step := p.Step.Seconds()
	ms := func(ns []int64) []float64 {
		y := scale(ns, 1e-6)
		for i := range y {
			if p.Ended[i] == 0 {
				y[i] = math.NaN() // nothing ended: a gap
			}
		}
		return y
	}
	out := []chart{
		{"Queue depth (executions)", plot(step, sizes(r, func(f *sim.PlotFunction) []int { return f.Queued }))},
		{"In flight (executions)", plot(step, sizes(r, func(f *sim.PlotFunction) []int { return f.InFlight }))},
	}
	out = append(out, scaling(r)...)
	out = append(out,
		chart{"Ended (executions a second)", plot(step, []line{{name: "ended", y: scale(p.Ended, 1/step)}})},
		chart{"End-to-end latency (ms)", plot(step, []line{{name: "p50", y: ms(p.P50)}, {name: "p99", y: ms(p.P99)}})},
	)
	if h := histogram(r); h != "" {
		out = append(out, chart{"Distribution of end-to-end latency (executions)", h})
	}
	return out
}

func scale(v []int64, by float64) []float64 {
	out := make([]float64, len(v))
	for i := range v {
		out[i] = float64(v[i]) * by
	}
	return out
}

// scaling draws the instances and slots of the largest scaled functions.
func scaling(r *sim.Result) (out []chart) {
	var scaled []*sim.PlotFunction
	for i := range r.Plot.Functions {
		if f := &r.Plot.Functions[i]; len(f.Wanted) > 0 {
			scaled = append(scaled, f)
		}
	}
	slices.SortStableFunc(scaled, func(a, b *sim.PlotFunction) int { return slices.Max(b.Wanted) - slices.Max(a.Wanted) })
	for _, f := range scaled[:min(len(scaled), maxLines)] {
		step := r.Plot.Step.Seconds()
		out = append(out,
			chart{"Instances of " + f.Name, plot(step, []line{
				{name: "starting", y: floats(f.Starting), steps: true}, {name: "ready", y: floats(f.Replicas), steps: true},
				{name: "wanted", y: floats(f.Wanted), steps: true, dashed: true},
			})},
			chart{"Slots of " + f.Name + " (executions at once)", plot(step, []line{
				{name: "in use", y: floats(f.InFlight)}, {name: "slots", y: floats(f.Slots), steps: true},
			})},
		)
	}
	return out
}

func floats(values []int) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = float64(v)
	}
	return out
}

// sizes gives the busiest functions a curve each and the others one together.
func sizes(r *sim.Result, of func(*sim.PlotFunction) []int) []line {
	type sized struct {
		f    *sim.PlotFunction
		most int
	}
	var all []sized
	for i := range r.Plot.Functions {
		f := &r.Plot.Functions[i]
		all = append(all, sized{f, slices.Max(of(f))})
	}
	slices.SortStableFunc(all, func(a, b sized) int { return b.most - a.most })
	var lines []line
	others := make([]float64, len(r.Plot.Ended))
	for i, s := range all {
		y := of(s.f)
		if i >= maxLines {
			for j := range y {
				others[j] += float64(y[j])
			}
			continue
		}
		lines = append(lines, line{name: s.f.Name, y: floats(y)})
	}
	if len(all) > maxLines {
		lines = append(lines, line{name: fmt.Sprintf("%d others", len(all)-maxLines), y: others})
	}
	return lines
}

// Geometry of a plot, in SVG units.
const (
	width, height            = 720, 220
	left, right, top, bottom = 60, 10, 10, 30
)

// plot draws curves over virtual time.
func plot(step float64, lines []line) template.HTML {
	most, n := 0.0, 0
	for _, l := range lines {
		n = max(n, len(l.y))
		for _, v := range l.y {
			if v > most {
				most = v
			}
		}
	}
	high := niceCeil(most)
	if lines[0].steps {
		high = max(high, 4) // the grid has whole numbers
	}
	x := func(i int) float64 { return left + (width-left-right)*float64(i+1)/float64(n) }
	y := func(v float64) float64 { return height - bottom - (height-top-bottom)*v/high }
	var b strings.Builder
	frame(&b, high, y)
	total := time.Duration(step * float64(n) * 1e9)
	for i := 0; i <= 4; i++ {
		at := left + (width-left-right)*float64(i)/4
		fmt.Fprintf(&b, `<text class="tick" x="%.0f" y="%d" text-anchor="%s">%s</text>`, at, height-10, anchor(i), human(int64(total)*int64(i)/4))
	}
	for k, l := range lines {
		for i := 0; i < len(l.y); {
			if math.IsNaN(l.y[i]) {
				i++
				continue
			}
			fmt.Fprintf(&b, `<polyline class="%s" points="`, l.class(k))
			// A lone value gets a width of one step.
			fmt.Fprintf(&b, "%.1f,%.1f", x(i-1), y(l.y[i]))
			for first := i; i < len(l.y) && !math.IsNaN(l.y[i]); i++ {
				if l.steps && i > first && l.y[i] != l.y[i-1] {
					fmt.Fprintf(&b, " %.1f,%.1f", x(i), y(l.y[i-1]))
				}
				fmt.Fprintf(&b, " %.1f,%.1f", x(i), y(l.y[i]))
			}
			b.WriteString(`"/>`)
		}
	}
	return finish(&b, lines)
}

// class is the style of the k-th curve and its legend.
func (l *line) class(k int) string {
	if l.dashed {
		return "c6 dashed"
	}
	return fmt.Sprintf("c%d", k%7)
}

func anchor(i int) string {
	if i == 4 {
		return "end"
	}
	return "middle"
}

// frame draws the horizontal grid with its labels.
func frame(b *strings.Builder, high float64, y func(float64) float64) {
	fmt.Fprintf(b, `<svg viewBox="0 0 %d %d" role="img">`, width, height)
	for i := 0; i <= 4; i++ {
		v := high * float64(i) / 4
		fmt.Fprintf(b, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`, left, width-right, y(v), y(v))
		fmt.Fprintf(b, `<text class="tick" x="%d" y="%.1f" text-anchor="end">%s</text>`, left-6, y(v)+4, compact(v))
	}
}

func finish(b *strings.Builder, lines []line) template.HTML {
	b.WriteString("</svg>")
	if len(lines) > 1 {
		b.WriteString(`<p class="legend">`)
		for k, l := range lines {
			fmt.Fprintf(b, `<span class="%s">%s</span> `, l.class(k), template.HTMLEscapeString(l.name))
		}
		b.WriteString("</p>")
	}
	return template.HTML(b.String())
}

// niceCeil is the next 1, 2, 4 or 8 times a power of ten at or above v.
func niceCeil(v float64) float64 {
	if v <= 0 {
		return 1
	}
	base := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 4, 8, 10} {
		if m*base >= v {
			return m * base
		}
	}
	return 10 * base
}

func compact(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.4gM", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.4gk", v/1e3)
	}
	return fmt.Sprintf("%.4g", v)
}

// histogram draws the latencies of all functions in logarithmic bins, four to
// a factor of two.
func histogram(r *sim.Result) template.HTML {
	bins := map[int]int64{}
	first, last := math.MaxInt, math.MinInt
	for i := range r.Functions {
		h := r.Functions[i].Histogram("e2e")
		if h == nil {
			continue
		}
		for from, n := range h.Bars() {
			bin := int(math.Floor(4 * math.Log2(math.Max(1, float64(from)/1000))))
			bins[bin] += n
			first, last = min(first, bin), max(last, bin)
		}
	}
	if len(bins) == 0 {
		return ""
	}
	most := int64(0)
	for _, n := range bins {
		most = max(most, n)
	}
	high := niceCeil(float64(most))
	y := func(v float64) float64 { return height - bottom - (height-top-bottom)*v/high }
	var b strings.Builder
	frame(&b, high, y)
	w := float64(width-left-right) / float64(last-first+1)
	edge := func(bin int) string { return human(int64(1000 * math.Exp2(float64(bin)/4))) }
	for bin := first; bin <= last; bin++ {
		at := left + w*float64(bin-first)
		if n := bins[bin]; n > 0 {
			fmt.Fprintf(&b, `<rect class="c0" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s to %s: %d</title></rect>`,
				at, y(float64(n)), max(w-1, 0.5), height-bottom-y(float64(n)), edge(bin), edge(bin+1), n)
		}
		if every := (last-first)/6 + 1; (bin-first)%every == 0 {
			fmt.Fprintf(&b, `<text class="tick" x="%.1f" y="%d" text-anchor="middle">%s</text>`, at, height-10, edge(bin))
		}
	}
	return finish(&b, nil)
}
