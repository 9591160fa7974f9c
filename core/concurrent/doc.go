// Package concurrent has locks and atomics of which each operation is a point at which
// a Scheduler may let another goroutine go on. The Scheduler runs one at a time and draws
// from a seed which, so that equal seeds give equal interleavings. Outside of
// Scheduler.Run they behave as those of sync and sync/atomic.
//
// All of it has the build tag interleave, with which core uses these types in place of
// the others. Without the tag the package is empty, and core does not import it.
package concurrent
