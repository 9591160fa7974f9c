// Package cluster decides, for one of several control planes, which partitions it
// owns and what of their facts is durable. It does no I/O and reads no clock: what
// has happened comes in by calls, what is to be done goes out as actions and
// batches. The server drives it over JetStream, the simulator over a simulated
// engine and network, with the same code.
//
// Three machines share the work. Machine has membership, the lease, claims and
// hand-over. Writer gathers the facts of all owned partitions into batches, one in
// flight. Folder reads a partition's frames back and notices what is missing.
//
// The engine, whatever it is, gives four things: one order of messages, a write
// that holds only while a partition's ownership is the one expected (the fence), a
// small record of each member, and a watch. Safety rests on the fence alone; the
// lease only makes the time short in which two members believe in one partition.
package cluster
