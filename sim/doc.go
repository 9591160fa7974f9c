// Package sim replays scenarios through the same core that serves production
// traffic, under a virtual clock and from one seed.
//
// The engine (engine.go) is one goroutine that takes the earliest event from a
// heap ordered by (time, seeded tie-break) and calls core's public methods: an
// arrival becomes Submit, an answer becomes Task.Complete, a due timer becomes
// the call core asked the clock for, a fault becomes Delete, Register or
// Reconfigure. What follows is core's doing alone. The checker (checker*.go)
// only watches: it keeps a model of what core may do and stops the run when
// core does something else. Switching it off changes no event.
//
// A run is a function of (scenario, seed): nothing reads a wall clock, the
// order of a map or an address, and floating point is confined to operations
// that give the same bits on every machine (see dmath.go).
package sim
