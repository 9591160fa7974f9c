// Package core is simplane's engine: it admits, queues, dispatches, retries,
// times out, stores and expires function executions.
//
// It is a state machine without I/O. It starts no goroutine, reads no wall
// clock, opens no socket, keeps no global state and draws no random number:
// a Clock, an IDSource and a Dispatcher come in as interfaces, and every
// change happens inside a call from outside (a submission, a completion, a
// timer that the Clock fires). That is why the same code serves production
// traffic from many goroutines and replays bit for bit in the simulator from
// one.
//
// All exported methods are safe for concurrent use unless they say otherwise.
package core
