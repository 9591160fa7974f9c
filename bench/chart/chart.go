// Package chart draws lines and bars as SVG that takes its colours from the
// page's style sheet, so that one drawing suits light and dark.
package chart

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// Point is one value of a line. Low and High, where they differ, draw a
// whisker. A NaN as Y is a gap.
type Point struct{ X, Y, Low, High float64 }

// Line is one data series.
type Line struct {
	Name   string
	Points []Point
	Dots   bool // draw points instead of a line
	Steps  bool // a value stays until the next one; else points are joined straight
	Dashed bool // and grey, so that a line below shows
	Bare   bool // no dots on the line
}

// Bar is a value of everything from From to To.
type Bar struct{ From, To, Y float64 }

// Band is a stretch of the x axis, shaded over the whole height; a line where To is
// not after From.
type Band struct {
	From, To float64
	Name     string
}

// Chart describes one drawing. Empty lines are left out.
type Chart struct {
	Title, XLabel, YLabel string
	X, Y                  Scale
	Lines                 []Line
	Bars                  []Bar
	Bands                 []Band // within the range of the lines
	FromZero              bool   // start a linear y axis at zero
}

const (
	width, height            = 720, 300
	left, right, top, bottom = 64, 28, 16, 44
	// MaxLines is the number of colours the style sheet defines.
	MaxLines = 7
	grey     = 5
)

// Drawing is an SVG element, with all text in it escaped; "" = nothing is drawn.
type Drawing string

// SVG draws the chart; it is empty when there is nothing to draw.
func (c Chart) SVG() Drawing {
	x0, x1, y0, y1, any := c.bounds()
	if !any {
		return ""
	}
	px := func(v float64) float64 {
		return left + (width-left-right)*share(c.X.position(v), c.X.position(x0), c.X.position(x1))
	}
	py := func(v float64) float64 {
		return height - bottom - (height-top-bottom)*share(c.Y.position(v), c.Y.position(y0), c.Y.position(y1))
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %d %d" role="img" aria-label="%s">`, width, height, html.EscapeString(c.Title))
	for _, t := range c.Y.ticks(y0, y1) {
		y := py(t.value)
		fmt.Fprintf(&b, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/><text class="tick" text-anchor="end" x="%d" y="%.1f">%s</text>`,
			left, width-right, y, y, left-6, y+4, t.label)
	}
	for _, t := range c.X.ticks(x0, x1) {
		x := px(t.value)
		fmt.Fprintf(&b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/><text class="tick" text-anchor="middle" x="%.1f" y="%d">%s</text>`,
			x, x, top, height-bottom, x, height-bottom+16, t.label)
	}
	fmt.Fprintf(&b, `<text class="axis" text-anchor="middle" x="%d" y="%d">%s</text>`, (left+width-right)/2, height-8, html.EscapeString(c.XLabel))
	fmt.Fprintf(&b, `<text class="axis" text-anchor="middle" transform="translate(14 %d) rotate(-90)">%s</text>`, (top+height-bottom)/2, html.EscapeString(c.YLabel))
	for _, band := range c.Bands {
		if band.From > x1 || max(band.From, band.To) < x0 {
			continue
		}
		from, to := px(band.From), px(max(band.From, band.To))
		fmt.Fprintf(&b, `<rect class="band" x="%.1f" y="%d" width="%.1f" height="%d"><title>%s</title></rect>`,
			from, top, max(to-from, 1), height-top-bottom, html.EscapeString(band.Name))
	}
	for _, bar := range c.Bars {
		x, y := px(bar.From), py(bar.Y)
		fmt.Fprintf(&b, `<rect class="dot c0" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s to %s: %s</title></rect>`,
			x, y, max(px(bar.To)-x-1, 0.5), py(y0)-y, number(bar.From), number(bar.To), number(bar.Y))
	}
	for i, l := range c.Lines {
		l.draw(&b, l.class(i), px, py)
	}
	b.WriteString("</svg>")
	return Drawing(c.legend() + b.String())
}

// class is the style of the i-th line and of its name.
func (l Line) class(i int) string {
	if l.Dashed {
		return fmt.Sprintf("c%d dashed", grey)
	}
	return fmt.Sprintf("c%d", i%MaxLines)
}

func (l Line) draw(b *strings.Builder, class string, px, py func(float64) float64) {
	if !l.Dots {
		for rest := l.Points; len(rest) > 0; {
			gap := slices.IndexFunc(rest, func(p Point) bool { return math.IsNaN(p.Y) })
			if gap < 0 {
				gap = len(rest)
			}
			l.stroke(b, class, rest[:gap], px, py)
			rest = rest[min(gap+1, len(rest)):]
		}
	}
	radius := 1.5
	if l.Dots {
		radius = 4
	}
	for _, p := range l.Points {
		if math.IsNaN(p.Y) {
			continue
		}
		if p.Low != p.High {
			fmt.Fprintf(b, `<line class="line %s" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, class, px(p.X), px(p.X), py(p.Low), py(p.High))
		}
		if l.Bare && len(l.Points) > 1 {
			continue
		}
		fmt.Fprintf(b, `<circle class="dot %s" cx="%.1f" cy="%.1f" r="%.1f"><title>%s: %s at %s</title></circle>`,
			class, px(p.X), py(p.Y), radius, html.EscapeString(l.Name), number(p.Y), trim(p.X))
	}
}

// stroke draws a stretch without gaps. A lone point is a short line of its own,
// unless a dot shows it.
func (l Line) stroke(b *strings.Builder, class string, points []Point, px, py func(float64) float64) {
	if len(points) < 2 && !l.Bare || len(points) == 0 {
		return
	}
	fmt.Fprintf(b, `<polyline class="line %s" points="`, class)
	for i, p := range points {
		x, y := px(p.X), py(p.Y)
		switch {
		case len(points) == 1:
			fmt.Fprintf(b, "%.1f,%.1f ", x-1, y)
		case i > 0 && l.Steps:
			fmt.Fprintf(b, "%.1f,%.1f ", x, py(points[i-1].Y))
		}
		fmt.Fprintf(b, "%.1f,%.1f ", x, y)
	}
	b.WriteString(`"/>`)
}

func (c Chart) legend() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<figcaption>%s`, html.EscapeString(c.Title))
	for i, l := range c.Lines {
		if l.Name != "" {
			fmt.Fprintf(&b, ` <span class="key %s">%s</span>`, l.class(i), html.EscapeString(l.Name))
		}
	}
	b.WriteString("</figcaption>")
	return b.String()
}

// bounds returns the data's range, widened where it has no extent.
func (c Chart) bounds() (x0, x1, y0, y1 float64, any bool) {
	x0, y0, x1, y1 = math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	for _, l := range c.Lines {
		for _, p := range l.Points {
			x0, x1 = math.Min(x0, p.X), math.Max(x1, p.X)
			if math.IsNaN(p.Y) {
				continue
			}
			any = true
			y0, y1 = math.Min(y0, p.Y), math.Max(y1, p.Y)
			if p.Low != p.High {
				y0, y1 = math.Min(y0, p.Low), math.Max(y1, p.High)
			}
		}
	}
	for _, bar := range c.Bars {
		any = true
		x0, x1 = math.Min(x0, bar.From), math.Max(x1, bar.To)
		y0, y1 = math.Min(y0, 0), math.Max(y1, bar.Y)
	}
	if c.Y == Log {
		y0, y1 = math.Max(y0, 1e-6)*0.9, math.Max(y1, 1e-6)*1.1
	} else if c.FromZero {
		y0, y1 = math.Min(0, y0), y1*1.05
		if y0 == y1 { // nothing but zeros
			y1 = 1
		}
	}
	if x0 == x1 {
		x0, x1 = x0-0.5, x1+0.5
	}
	if c.X == Seconds { // time begins at 0
		x0 = math.Min(0, x0)
	}
	if c.X == Percentile {
		x0, x1 = math.Max(0, x0), c.lastFinite()
	}
	if y0 == y1 {
		y0, y1 = y0-0.5, y1+0.5
	}
	return x0, x1, y0, y1, any
}

// lastFinite is the highest percentile below 100: the maximum has no place on
// a scale of nines and is drawn there.
func (c Chart) lastFinite() float64 {
	last := 90.0
	for _, l := range c.Lines {
		for _, p := range l.Points {
			if p.X < 100 {
				last = math.Max(last, p.X)
			}
		}
	}
	return last
}

func share(v, lo, hi float64) float64 {
	return math.Max(0, math.Min(1, (v-lo)/(hi-lo)))
}
