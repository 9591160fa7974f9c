//go:build slow

package main

import "testing"

// The rows that wait for payloads to expire or start processes.
func TestSlowBenchGrowthRest(t *testing.T) {
	tinyGrowth(t, "connections", "idle", "peak", "starts")
}
