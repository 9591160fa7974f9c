package chart

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Heat is a table of values as colours: the higher, the stronger.
type Heat struct {
	Title, XLabel, YLabel string
	X, Y                  []string    // names of the columns and rows
	Values                [][]float64 // by row; a NaN is left blank
	Show                  func(float64) string
	Mark                  [2]int // column and row of the cell with a frame; -1 = none
}

const (
	cellHeight = 30
	faintest   = 0.06
	strongest  = 0.95
)

// SVG draws the table; it is empty when there is nothing to draw. The first row is
// at the bottom, where an axis begins.
func (h Heat) SVG() Drawing {
	low, high := math.Inf(1), math.Inf(-1)
	for _, row := range h.Values {
		for _, v := range row {
			if !math.IsNaN(v) {
				low, high = math.Min(low, v), math.Max(high, v)
			}
		}
	}
	if low > high {
		return ""
	}
	rows := len(h.Y)
	tall := top + rows*cellHeight + bottom
	wide := float64(width-left-right) / float64(len(h.X))
	var b strings.Builder
	fmt.Fprintf(&b, `<figcaption>%s</figcaption><svg viewBox="0 0 %d %d" role="img" aria-label="%s">`, html.EscapeString(h.Title), width, tall, html.EscapeString(h.Title))
	for y, name := range h.Y {
		at := top + (rows-1-y)*cellHeight
		fmt.Fprintf(&b, `<text class="tick" text-anchor="end" x="%d" y="%d">%s</text>`, left-6, at+cellHeight/2+4, html.EscapeString(clip(name)))
		for x, v := range h.Values[y] {
			h.cell(&b, left+float64(x)*wide, at, wide, v, low, high, h.Mark == [2]int{x, y}, name, h.X[x])
		}
	}
	every := int(math.Ceil(34 / wide)) // as many names as there is room for
	for x, name := range h.X {
		if x%every == 0 {
			fmt.Fprintf(&b, `<text class="tick" text-anchor="middle" x="%.1f" y="%d">%s</text>`, left+(float64(x)+0.5)*wide, tall-bottom+16, html.EscapeString(clip(name)))
		}
	}
	fmt.Fprintf(&b, `<text class="axis" text-anchor="middle" x="%d" y="%d">%s</text>`, (left+width-right)/2, tall-8, html.EscapeString(h.XLabel))
	fmt.Fprintf(&b, `<text class="axis" text-anchor="middle" transform="translate(14 %d) rotate(-90)">%s</text></svg>`, top+rows*cellHeight/2, html.EscapeString(h.YLabel))
	return Drawing(b.String())
}

func (h Heat) cell(b *strings.Builder, x float64, y int, wide, v, low, high float64, marked bool, row, column string) {
	if math.IsNaN(v) {
		return
	}
	strength := 0.5
	if high > low {
		strength = faintest + (strongest-faintest)*(v-low)/(high-low)
	}
	text := html.EscapeString(h.Show(v))
	fmt.Fprintf(b, `<g><title>%s, %s: %s</title><rect class="dot c0" fill-opacity="%.2f" x="%.1f" y="%d" width="%.1f" height="%d"/>`,
		html.EscapeString(row), html.EscapeString(column), text, strength, x+1, y+1, max(wide-2, 0.5), cellHeight-2)
	if marked {
		fmt.Fprintf(b, `<rect class="frame" x="%.1f" y="%d" width="%.1f" height="%d"/>`, x+2, y+2, max(wide-4, 0.5), cellHeight-4)
	}
	if float64(len(text))*6.5 < wide {
		on := ""
		if strength > 0.55 {
			on = " on"
		}
		fmt.Fprintf(b, `<text class="cell%s" text-anchor="middle" x="%.1f" y="%d">%s</text>`, on, x+wide/2, y+cellHeight/2+4, text)
	}
	b.WriteString(`</g>`)
}

// clip shortens a name to what is readable beside an axis.
func clip(s string) string {
	if r := []rune(s); len(r) > 9 {
		return string(r[:8]) + "…"
	}
	return s
}
