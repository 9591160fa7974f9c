package main

import (
	"strings"
	"testing"
)

func TestEveryFunctionStartsBothWays(t *testing.T) {
	subjects, cleanUp, err := functions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer cleanUp()
	for _, s := range subjects {
		r, err := compare(t.Context(), s, 3, 0)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if len(r.bare) != 3 || len(r.provider) != 3 || r.share() >= 1 || !strings.HasPrefix(r.String(), "| "+s.name) {
			t.Errorf("%+v", r)
		}
	}
}

func TestShareAndMedian(t *testing.T) {
	r := result{ratios: []float64{1.5, 1.25, 9}}
	if got := r.share(); got < 0.333 || got > 0.334 {
		t.Errorf("share %v of a start that takes 1.5 times as long", got)
	}
	if r.ratios[0] != 1.5 {
		t.Error("the ratios were put in another order")
	}
}
