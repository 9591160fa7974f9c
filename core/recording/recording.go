// Package recording is the recorded steps of a process: what a flight recorder
// has kept, or a file of them. It does no I/O of its own: it reads from and writes
// to what it is given.
package recording

import "simplane/core"

// Header says what was recorded, and by which program.
type Header struct {
	Version  string            `json:"version"` // of the program
	Commit   string            `json:"commit"`
	Platform string            `json:"platform"` // operating system and processor
	Made     int64             `json:"made"`     // wall ns
	Why      string            `json:"why"`      // what asked for it
	Config   core.ReplayConfig `json:"config"`
	// Names says that functions have their own names here, and not numbers.
	Names bool `json:"names"`
	// Whole says that every step since the start of the process is here, unless
	// Dropped says otherwise. The rings of a flight recorder have the latest only.
	Whole bool `json:"whole"`
	// Series is the wall time, in ns, at which the first file of a series was
	// begun, and Part this one's number in it, from 1. Both are 0 in a dump.
	Series int64 `json:"series,omitempty"`
	Part   int   `json:"part,omitempty"`
}

// Recording is a header and what was recorded, in the order in which the recorder
// was told. Steps of one domain are in their order; those of several are in the
// order of their instants only nearly.
type Recording struct {
	Header Header
	Steps  []core.Step
	Bases  []*core.Base
	// Dropped says that the recorder could not keep up, or lost its place to
	// write, and stopped before the end; "" = it did not.
	Dropped string
	// Truncated says that the end is missing: what is here was read up to the
	// last whole block.
	Truncated bool
}
