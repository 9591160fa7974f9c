package replicas

import (
	"slices"
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	b := backoff{base: 50 * time.Millisecond, max: time.Second}
	var got []time.Duration
	for range 7 {
		got = append(got, b.next()/time.Millisecond)
	}
	if want := []time.Duration{50, 100, 200, 400, 800, 1000, 1000}; !slices.Equal(got, want) {
		t.Errorf("delays %v ms, want %v", got, want)
	}
	b.tries = 1000
	if d := b.next(); d != time.Second {
		t.Errorf("after 1000 tries: %v", d)
	}
	b.reset()
	if d := b.next(); d != 50*time.Millisecond {
		t.Errorf("after reset: %v", d)
	}
}
