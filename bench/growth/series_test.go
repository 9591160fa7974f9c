package growth

import (
	"math"
	"slices"
	"testing"

	"simplane/bench/loadgen"
)

func series(f Figure, values ...float64) Series {
	s := Series{Figure: f}
	for i, v := range values {
		s.Points = append(s.Points, Point{Size: math.Pow(10, float64(i+1)), Value: v})
	}
	return s
}

func TestBend(t *testing.T) {
	for name, c := range map[string]struct {
		s    Series
		want float64
	}{
		"flat":                         {series(Figure{}, 1, 1.1, 0.9), 0},
		"dearer from 100 on":           {series(Figure{}, 1, 1.3, 2), 100},
		"one dear size is no bend":     {series(Figure{}, 1, 2, 1), 0},
		"cheaper":                      {series(Figure{}, 1, 0.1), 0},
		"slower":                       {series(Figure{Higher: true}, 1, 0.9, 0.7), 1000},
		"faster":                       {series(Figure{Higher: true}, 1, 9), 0},
		"slack":                        {series(Figure{Slack: 3}, 1, 2.9, 3.1), 1000},
		"in proportion":                {series(Figure{Linear: true}, 1, 10, 100), 0},
		"faster than in proportion":    {series(Figure{Linear: true}, 1, 10, 130), 1000},
		"a single size":                {series(Figure{}, 1), 0},
		"from nothing to something":    {series(Figure{}, 0, 5), 0},
		"slack of ten percent, slower": {series(Figure{Higher: true, Slack: 1.1}, 1, 0.92, 0.89), 1000},
	} {
		if got := c.s.Bend(); got != c.want {
			t.Errorf("%s: bends at %v, want %v", name, got, c.want)
		}
	}
}

// A value whose interval reaches into the slack is no bend.
func TestBendConsidersIntervals(t *testing.T) {
	at := func(low, value, high float64) float64 {
		s := Series{Figure: Figure{Higher: true, Slack: 1.1}, Points: []Point{
			{Size: 1, Value: 0.8, Low: 0.79, High: 0.81}, {Size: 10, Value: value, Low: low, High: high},
		}}
		return s.Bend()
	}
	if got := at(0.55, 0.6, 0.65); got != 10 {
		t.Errorf("a narrow interval far below: bends at %v, want 10", got)
	}
	if got := at(0.3, 0.6, 1.2); got != 0 {
		t.Errorf("a wide interval: bends at %v, want nowhere", got)
	}
}

func TestRelative(t *testing.T) {
	s := Series{Points: []Point{{Size: 1, Value: 0.8, Low: 0.4, High: 1.6}, {Size: 10, Value: 0.4, Low: 0.2, High: 0.8}, {Size: 100, Value: 2}}}
	got := s.Relative()
	// A factor of two each way in both: the factors' logarithms add as squares.
	half := math.Exp(math.Sqrt2 * math.Ln2)
	if got[0] != (Point{Size: 1, Value: 1}) || got[1].Value != 0.5 || math.Abs(got[1].High-0.5*half) > 1e-9 || math.Abs(got[1].Low-0.5/half) > 1e-9 {
		t.Errorf("%+v", got)
	}
	if got[2] != (Point{Size: 100, Value: 2.5}) {
		t.Errorf("without an interval: %+v", got[2])
	}
}

func TestHeld(t *testing.T) {
	for _, c := range []struct {
		s            Series
		held, judged bool
	}{
		{series(Figure{}, 1), false, false},
		{series(Figure{Limit: 5}, 9, 5), true, true},
		{series(Figure{Limit: 5}, 1, 6), false, true},
		{series(Figure{Limit: 0.6, Higher: true}, 0.1, 0.6), true, true},
		{series(Figure{Limit: 0.6, Higher: true}, 0.9, 0.5), false, true},
	} {
		if held, judged := c.s.Held(); held != c.held || judged != c.judged {
			t.Errorf("%+v: %v %v", c.s, held, judged)
		}
	}
}

func TestText(t *testing.T) {
	for _, c := range []struct {
		unit string
		v    float64
		want string
	}{
		{"", 0.583, "0.58"}, {"B", 512, "512 B"}, {"B", 12 << 10, "12 KiB"}, {"B", 3 << 30, "3 GiB"}, {"B", 5 << 40, "5120 GiB"},
		{"ms", 0.0123, "12.3 µs"}, {"ms", 18, "18 ms"}, {"ms", 4800, "4.8 s"}, {"/s", 1896, "1896 /s"},
	} {
		if got := (Figure{Unit: c.unit}).Text(c.v); got != c.want {
			t.Errorf("%v %s: %q, want %q", c.v, c.unit, got, c.want)
		}
	}
}

func TestSizes(t *testing.T) {
	for scale, want := range map[float64][]int{1: {10, 100, 1000}, 0.1: {5, 10, 100}, 0.0001: {5}} {
		if got := (Options{Scale: scale}).sizes(5, 10, 100, 1000); !slices.Equal(got, want) {
			t.Errorf("scale %v: %v, want %v", scale, got, want)
		}
	}
}

func TestSample(t *testing.T) {
	page := []byte("# HELP a_total x\na_total_more 7\na_total{l=\"1\"} 8\na_total 3.5e+06\n")
	if got := sample(page, "a_total"); got != 3.5e6 {
		t.Errorf("got %v", got)
	}
	if got := sample(page, "absent"); got != 0 {
		t.Errorf("absent gives %v", got)
	}
}

// The echo gets the same paths in the same order.
func TestElsewhere(t *testing.T) {
	target, err := loadgen.FunctionTarget(loadgen.Defaults{Server: "http://127.0.0.1:1"}, "f-{n}", "invoke")
	if err == nil {
		target, err = target.Spread(3, "zipf")
	}
	if err != nil {
		t.Fatal(err)
	}
	moved, err := elsewhere(target, "http://127.0.0.1:2/v1/functions/bench:invoke")
	if err != nil {
		t.Fatal(err)
	}
	if moved.ExpectBody != "" || moved.URL != "http://127.0.0.1:2/v1/functions/f-0:invoke" || moved.Paths.URLs[2] != "http://127.0.0.1:2/v1/functions/f-2:invoke" {
		t.Errorf("%+v", moved)
	}
	if target.Paths.URLs[2] != "http://127.0.0.1:1/v1/functions/f-2:invoke" {
		t.Errorf("the first target changed: %+v", target.Paths)
	}
	a, b := loadgen.NewPicker([]loadgen.Target{target}, 5, 0), loadgen.NewPicker([]loadgen.Target{moved}, 5, 0)
	for range 100 {
		if p, q := a.Next(), b.Next(); p != q {
			t.Fatalf("%+v and %+v", p, q)
		}
	}
}
