package chart

import (
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
)

func labels(ts []tick) string {
	var out []string
	for _, t := range ts {
		out = append(out, t.label)
	}
	return strings.Join(out, " ")
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		s      Scale
		lo, hi float64
		want   string
	}{
		{Linear, 0, 100, "0 20 40 60 80 100"},
		{Linear, -0.5, 4, "0 1 2 3 4"},
		{Linear, 0, 43_000, "0 10k 20k 30k 40k"},
		{Linear, 0.1, 0.13, "0.1 0.11 0.12 0.13"},
		{Log, 0.5, 20, "0.5 1 2 5 10 20"},
		{Log, 0.01, 10_000, "0.01 0.1 1 10 100 1k 10k"},
		{Percentile, 0, 99.95, "0% 50% 90% 99% 99.9%"},
		{Seconds, 0, 4, "0s 1s 2s 3s 4s"},
		{Seconds, 0, 60, "0s 15s 30s 45s 1m"},
		{Seconds, 0, 6000, "0s 30m 1h 1h30m"},
		{Seconds, 0, 3 * 86400, "0s 24h 48h 72h"},
	} {
		if got := labels(c.s.ticks(c.lo, c.hi)); got != c.want {
			t.Errorf("ticks %v..%v: %q, want %q", c.lo, c.hi, got, c.want)
		}
	}
}

func TestPercentileScaleGivesEachNineTheSameRoom(t *testing.T) {
	a := Percentile.position(99) - Percentile.position(90)
	b := Percentile.position(99.9) - Percentile.position(99)
	if math.Abs(a-b) > 1e-9 || Percentile.position(100) < Percentile.position(99.999) {
		t.Errorf("90..99 takes %v, 99..99.9 takes %v", a, b)
	}
}

func TestSVGIsWellFormedAndWithinItsFrame(t *testing.T) {
	c := Chart{
		Title: `a < b & "c"`, XLabel: "x<", YLabel: "y>", X: Percentile, Y: Log,
		Lines: []Line{
			{Name: "<one>", Points: []Point{{X: 0, Y: 0}, {X: 50, Y: 3}, {X: 100, Y: 1e5}}},
			{Name: "two", Dots: true, Points: []Point{{X: 10, Y: 5, Low: 2, High: 9}}},
			{Name: "empty"},
		},
	}
	svg := string(c.SVG())
	dec := xml.NewDecoder(strings.NewReader("<figure>" + svg + "</figure>"))
	circles := 0
	for {
		tok, err := dec.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%v in %s", err, svg)
		}
		if el, ok := tok.(xml.StartElement); ok && el.Name.Local == "circle" {
			circles++
		}
	}
	if circles != 4 {
		t.Errorf("%d points drawn, want 4", circles)
	}
	if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
		t.Errorf("coordinates are not numbers: %s", svg)
	}
}

func TestLinesWithGapsAndSteps(t *testing.T) {
	nan := math.NaN()
	points := []Point{{X: 1, Y: 1}, {X: 2, Y: 3}, {X: 3, Y: nan}, {X: 4, Y: 2}, {X: 5, Y: nan}}
	svg := string(Chart{Lines: []Line{{Name: "a", Points: points, Steps: true, Bare: true}}}.SVG())
	var strokes []int // pairs of coordinates in each
	for _, part := range strings.Split(svg, `points="`)[1:] {
		line, _, _ := strings.Cut(part, `"`)
		strokes = append(strokes, len(strings.Fields(line)))
	}
	// Two points joined by a corner, and a lone one with a width.
	if len(strokes) != 2 || strokes[0] != 3 || strokes[1] != 2 || strings.Contains(svg, "NaN") || strings.Contains(svg, "<circle") {
		t.Errorf("strokes %v in %s", strokes, svg)
	}
	dashed := string(Chart{Lines: []Line{{Name: "a", Points: points[:2], Dashed: true}}}.SVG())
	if !strings.Contains(dashed, `class="line c5 dashed"`) || !strings.Contains(dashed, `class="key c5 dashed"`) {
		t.Error(dashed)
	}
	if got := (Chart{Lines: []Line{{Points: []Point{{Y: nan}}}}}).SVG(); got != "" {
		t.Errorf("of a gap alone: %s", got)
	}
}

func TestBars(t *testing.T) {
	svg := string(Chart{X: Log, Bars: []Bar{{1, 2, 10}, {2, 4, 5}}}.SVG())
	var x, y, w, h [2]float64
	for i, part := range strings.Split(svg, "<rect ")[1:] {
		if _, err := fmt.Sscanf(part, `class="dot c0" x="%f" y="%f" width="%f" height="%f"`, &x[i], &y[i], &w[i], &h[i]); err != nil {
			t.Fatal(err)
		}
	}
	if x[0] != left || x[1] <= x[0]+w[0] || math.Abs(w[0]-w[1]) > 0.2 || math.Abs(h[0]-2*h[1]) > 0.3 || math.Abs(y[0]+h[0]-(height-bottom)) > 0.2 {
		t.Errorf("x %v, y %v, width %v, height %v", x, y, w, h)
	}
}

func TestNothingToDraw(t *testing.T) {
	if got := (Chart{Lines: []Line{{Name: "x"}}}).SVG(); got != "" {
		t.Errorf("got %s", got)
	}
	one := Chart{Lines: []Line{{Name: "x", Points: []Point{{X: 1, Y: 1}}}}}
	if svg := string(one.SVG()); svg == "" || strings.Contains(svg, "NaN") {
		t.Errorf("a single point gives %q", svg)
	}
}

func TestZerosAreDrawnAtTheBottom(t *testing.T) {
	svg := string(Chart{FromZero: true, Lines: []Line{{Points: []Point{{X: 0}, {X: 1}}}}}.SVG())
	if strings.Contains(svg, ">-") || !strings.Contains(svg, ">0<") || !strings.Contains(svg, ">1<") {
		t.Errorf("the axis does not go from 0 to 1: %s", svg)
	}
}

func TestBands(t *testing.T) {
	c := Chart{X: Seconds, Lines: []Line{{Points: []Point{{X: 1, Y: 1}, {X: 100, Y: 1}}}}, Bands: []Band{{From: 20, To: 30, Name: `out<age`}, {From: 50, Name: "jump"}, {From: 200, To: 300, Name: "later"}}}
	svg := string(c.SVG())
	var x, w float64
	_, first, _ := strings.Cut(svg, `class="band" `)
	if _, err := fmt.Sscanf(first, `x="%f" y="16" width="%f"`, &x, &w); err != nil || math.Abs(w-(width-left-right)/10.0) > 0.2 || math.Abs(x-left-2*w) > 0.3 {
		t.Errorf("%v: from %v, %v wide in %s", err, x, w, svg)
	}
	if strings.Count(svg, `class="band"`) != 2 || !strings.Contains(svg, "out&lt;age") || strings.Contains(svg, "later") {
		t.Error(svg)
	}
}

func TestHeat(t *testing.T) {
	h := Heat{Title: "<t>", X: []string{"1", "2", "<3>"}, Y: []string{"a", "b"}, Values: [][]float64{{1, 2, 3}, {4, math.NaN(), 6}},
		Show: func(v float64) string { return fmt.Sprintf("<%v>", v) }, Mark: [2]int{2, 1}}
	svg := string(h.SVG())
	if err := xml.Unmarshal([]byte("<figure>"+svg+"</figure>"), new(struct{})); err != nil {
		t.Fatalf("%v in %s", err, svg)
	}
	if strings.Count(svg, `class="dot c0"`) != 5 || strings.Count(svg, `class="frame"`) != 1 || strings.Contains(svg, "NaN") || strings.Contains(svg, "<3>") {
		t.Error(svg)
	}
	if !strings.Contains(svg, `fill-opacity="0.06"`) || !strings.Contains(svg, `fill-opacity="0.95"`) {
		t.Errorf("the least and the most are not the ends of the colours: %s", svg)
	}
	if got := (Heat{X: []string{"1"}, Y: []string{"a"}, Values: [][]float64{{math.NaN()}}}).SVG(); got != "" {
		t.Errorf("of nothing: %s", got)
	}
}
