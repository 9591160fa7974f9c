//go:build slow

package main

import "testing"

// TestSlowOverload: overload must not make goodput collapse, and it must come
// back after an outage. The shares asked for are low; the collapse they would
// miss is to a few per cent.
func TestSlowOverload(t *testing.T) {
	for _, what := range short(t).Broken {
		t.Error(what)
	}
}
