package progress

import "testing"

func TestSparkShowsTheLastValuesInProportion(t *testing.T) {
	s := Spark{Width: 5}
	if got := s.String(); got != "" {
		t.Errorf("without values: %q", got)
	}
	for _, v := range []float64{99, 0, 1, 4, 8, 0.001} {
		s.Add(v)
	}
	if got := s.String(); got != " ▁▄█▁" {
		t.Errorf("got %q", got)
	}
	s = Spark{Width: 3}
	s.Add(0)
	s.Add(-1)
	if got := s.String(); got != "  " {
		t.Errorf("nothing but zeros: %q", got)
	}
}
