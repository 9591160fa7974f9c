// Package sim replays scenarios through the same core that serves production
// traffic, under a virtual clock and from one seed.
//
// A run (run.go) has three parts on one goroutine:
//
//   - the loop (internal/loop) takes the earliest event from a heap ordered by
//     time and a seeded tie-break;
//   - the world (internal/world) is what surrounds core: an arrival becomes
//     Submit, an answer becomes Task.Complete, a fault becomes Delete, Register
//     or Update. It never reads core's state;
//   - the witness (witness.go) observes core and is told of the world's calls.
//     It keeps the records, the counts and the event log. Its checker
//     (checker*.go) has a model of what core may do and stops the run when core
//     does something else. Leaving the checker out changes no event.
//
// A run is a function of (scenario, seed): nothing reads a wall clock, the
// order of a map or an address, and floating point is confined to operations
// that give the same bits on every machine (internal/random).
package sim
