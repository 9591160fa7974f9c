// Package bubble has the tests that run a whole server in virtual time, in a bubble
// of testing/synctest: the simulator's scenario files through HTTP, over a network
// in memory, with faults that only connections have. What callers and functions see
// is judged by itself, compared with the simulator's own run of the file, and every
// decision of the server's core is taken again from its recording.
//
// It has no code but tests. It is beside server and sim since those never import
// one another.
package bubble
