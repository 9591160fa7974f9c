// Package flight is the flight recorder: the latest steps of core in rings in
// memory, to be dumped when something has gone wrong, and on request all steps in
// files.
package flight
