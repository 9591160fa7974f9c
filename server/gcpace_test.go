package server

import "testing"

func TestGCPercentFollowsTheLiveHeap(t *testing.T) {
	const mib = 1 << 20
	for _, tc := range []struct {
		live int64
		want int
	}{
		{0, 400}, {1 * mib, 400}, {100 * mib, 400}, {200 * mib, 400}, {250 * mib, 300}, {400 * mib, 150}, {500 * mib, 100}, {1000 * mib, 100}, {5000 * mib, 100},
	} {
		if got := gcPercent(tc.live, 1000*mib); got != tc.want {
			t.Errorf("%d MiB live of a budget of 1000: %d %%, want %d", tc.live/mib, got, tc.want)
		}
	}
}
