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
// # What a caller must do
//
//   - Give New a Clock whose AfterFunc calls come later, never from inside
//     AfterFunc, and an IDSource whose ids do not repeat.
//   - Give New a Dispatcher that returns at once and calls Task.Complete once
//     for each Task. An attempt that is never completed keeps its slot until its
//     own timeout.
//   - Register functions with a Spec from ResolveSpec; Submit requests. A
//     refusal is a *Rejection with a code; nothing was kept then.
//   - Submit again after ErrPending, once Request.OnSettled was called.
//   - Leave the bytes of an accepted Request alone until they are dropped
//     (Config.CleanupTTL after the end), or say Request.Borrowed.
//   - Make the attempt of Result.Run when Request.CallerRuns asked for it.
//   - Answer Config.OnBacklog, if set, by calling Pump from somewhere else.
//   - Not call back into core from Observer.Observe, Waiter.Wake or Leaver.Gone,
//     which must return at once.
//
// What follows by itself: retries, timeouts, dead letters, expiry and
// autoscaling, all from timers of the Clock.
//
// # How it is built
//
// Every decision about a function is a step: under the function's lock,
// (state, input) becomes (state', effects), at one instant; the effects are
// carried out after the lock, in one place (step.go).
//
// All exported methods are safe for concurrent use unless they say otherwise.
package core
