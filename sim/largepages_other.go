//go:build !linux

package sim

// LargePages does nothing here.
func LargePages() {}
