package main

import (
	"errors"
	"os/exec"
	"testing"
	"time"
)

func TestFirstCallsBothWays(t *testing.T) {
	if _, err := exec.LookPath("cc"); err != nil {
		t.Skip("no C compiler")
	}
	if err := compareBursts(t.Context(), 20, 4, 3); err != nil {
		t.Fatal(err)
	}
}

func TestTimedMakesEachCallOnce(t *testing.T) {
	calls := make([]int, 50)
	b, err := timed(len(calls), 1, func(i int) error { calls[i]++; return nil })
	if err != nil || len(b.each) != len(calls) {
		t.Fatalf("%d calls, %v", len(b.each), err)
	}
	for i, n := range calls {
		if n != 1 {
			t.Errorf("call %d was made %d times", i, n)
		}
	}
	want := errors.New("no")
	if _, err := timed(10, 4, func(int) error { return want }); !errors.Is(err, want) {
		t.Errorf("%v", err)
	}
	b = &burst{took: 2 * time.Second, each: []time.Duration{3, 1, 2}}
	if b.rate() != 1.5 || b.late() != 2 {
		t.Errorf("%v a second, %v", b.rate(), b.late())
	}
}
