package server

import (
	"runtime/debug"
	"sync"
)

// pacer sets the runtime's GC percent by what the store holds. Garbage may take
// four times what has pointers, which a collection has to mark: records and what
// else the process has. Payloads have none and are marked by their first byte;
// garbage of once their size is enough for them, and more would only be memory
// that is touched for the first time, a page fault for each page, in place of
// memory that a collection has freed.
type pacer struct {
	mu      sync.Mutex
	percent int // set last; 0: the runtime's setting is not this server's
}

// gcPace is the process's.
var gcPace pacer

const (
	// The percents of what a collection marks, and of payloads.
	markedPercent, payloadPercent = 400, 100
	// restBytes is about what is live of a server that stores nothing.
	restBytes = 16 << 20
	// percentStep is the least change that is worth the stop of all goroutines that
	// it costs.
	percentStep = 50
)

// begin takes the setting over.
func (p *pacer) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.percent = markedPercent
	debug.SetGCPercent(p.percent)
}

// follow sets the percent for so many bytes of records and of payloads.
func (p *pacer) follow(records, payloads int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.percent == 0 {
		return
	}
	want := percentFor(records, payloads)
	if want-p.percent < percentStep && p.percent-want < percentStep {
		return
	}
	p.percent = want
	debug.SetGCPercent(want)
}

// percentFor is the percent of all that is live, for so many bytes of records and
// of payloads.
func percentFor(records, payloads int64) int {
	marked := float64(restBytes + records)
	return int((markedPercent*marked + payloadPercent*float64(payloads)) / (marked + float64(payloads)))
}
