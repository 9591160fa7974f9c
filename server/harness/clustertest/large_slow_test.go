//go:build slow

package main

import "testing"

// Inputs and outputs of nearly 4 MiB go through the engine as small ones do.
func TestSlowLargePayloadsOutliveAKill(t *testing.T) {
	experimentOf(t, options{Workers: 4, Faults: []string{"kill"}, Seed: 2, Shape: "large"}, 5)
}
