// Package chart draws line charts as SVG that takes its colours from the
// page's style sheet, so that one drawing suits light and dark.
package chart

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
)

// Point is one value of a line. Low and High, where they differ, draw a
// whisker.
type Point struct{ X, Y, Low, High float64 }

// Line is one data series.
type Line struct {
	Name   string
	Points []Point
	Dots   bool // draw points instead of a line
}

// Chart describes one drawing. Empty lines are left out.
type Chart struct {
	Title, XLabel, YLabel string
	X, Y                  Scale
	Lines                 []Line
	FromZero              bool // start a linear y axis at zero
}

const (
	width, height            = 720, 300
	left, right, top, bottom = 64, 28, 16, 44
	// MaxLines is the number of colours the style sheet defines.
	MaxLines = 6
)

// SVG draws the chart; it is empty when there is nothing to draw.
func (c Chart) SVG() template.HTML {
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
	for i, l := range c.Lines {
		l.draw(&b, i%MaxLines, px, py)
	}
	b.WriteString("</svg>")
	return template.HTML(c.legend() + b.String()) // #nosec G203 -- all text above is escaped
}

func (l Line) draw(b *strings.Builder, colour int, px, py func(float64) float64) {
	if !l.Dots && len(l.Points) > 1 {
		fmt.Fprintf(b, `<polyline class="line c%d" points="`, colour)
		for _, p := range l.Points {
			fmt.Fprintf(b, "%.1f,%.1f ", px(p.X), py(p.Y))
		}
		b.WriteString(`"/>`)
	}
	radius := 1.5
	if l.Dots {
		radius = 4
	}
	for _, p := range l.Points {
		if p.Low != p.High {
			fmt.Fprintf(b, `<line class="line c%d" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, colour, px(p.X), px(p.X), py(p.Low), py(p.High))
		}
		fmt.Fprintf(b, `<circle class="dot c%d" cx="%.1f" cy="%.1f" r="%.1f"><title>%s: %s at %s</title></circle>`,
			colour, px(p.X), py(p.Y), radius, html.EscapeString(l.Name), number(p.Y), trim(p.X))
	}
}

func (c Chart) legend() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<figcaption>%s`, html.EscapeString(c.Title))
	for i, l := range c.Lines {
		fmt.Fprintf(&b, ` <span class="key c%d">%s</span>`, i%MaxLines, html.EscapeString(l.Name))
	}
	b.WriteString("</figcaption>")
	return b.String()
}

// bounds returns the data's range, widened where it has no extent.
func (c Chart) bounds() (x0, x1, y0, y1 float64, any bool) {
	x0, y0, x1, y1 = math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	for _, l := range c.Lines {
		for _, p := range l.Points {
			any = true
			x0, x1 = math.Min(x0, p.X), math.Max(x1, p.X)
			y0, y1 = math.Min(y0, p.Y), math.Max(y1, p.Y)
			if p.Low != p.High {
				y0, y1 = math.Min(y0, p.Low), math.Max(y1, p.High)
			}
		}
	}
	if c.Y == Log {
		y0, y1 = math.Max(y0, 1e-6)*0.9, math.Max(y1, 1e-6)*1.1
	} else if c.FromZero {
		y0, y1 = math.Min(0, y0), y1*1.05
	}
	if x0 == x1 {
		x0, x1 = x0-0.5, x1+0.5
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
