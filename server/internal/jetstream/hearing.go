package jetstream

import (
	"maps"
	"slices"
	"time"
)

// Times of hearing. A server that leads and that some server does not hear is missed there
// after shortestElection at the earliest.
const (
	// beat is how often a server tells all others whom it hears.
	beat = 200 * time.Millisecond
	// deaf is after how much silence of another server one does not hear it any more.
	// heardLately is how long ago the other one must have been heard elsewhere, at most, for
	// that to be the network's fault: the difference is more than a server that has ended
	// is missed earlier in one place than in another.
	deaf        = 900 * time.Millisecond
	heardLately = 600 * time.Millisecond
	// strange is after how long without a look a server does not know who was silent: it
	// did not run.
	strange = 3 * beat
	// hearingKept is how long a silent server is remembered.
	hearingKept = time.Minute
)

// hearing is which servers this one hears, and whom each of these hears.
//
// Where what one server sends does not reach another, neither can follow the other: each
// asks for votes as soon as the other one leads, and gets that of a third server, which
// hears both. That goes on until a server leads that all hear, which is left to chance
// unless those that lead make room for it.
type hearing struct {
	self   string
	said   map[string]said // by server, not this one's
	looked time.Time
}

// said is what a server said last.
type said struct {
	at    time.Time                // when it came
	heard map[string]time.Duration // how long before that each other server was heard by it
}

// tell notes what a server says.
func (h *hearing) tell(server string, heard map[string]time.Duration, now time.Time) {
	if server == h.self {
		return
	}
	if h.said == nil {
		h.said = map[string]said{}
	}
	h.said[server] = said{now, heard}
}

// look is called every beat. It returns how long ago each other server was heard, and a
// server that hears all that this one hears, this one too, and one that this one does not:
// it is to lead in this one's place. "" = there is none.
func (h *hearing) look(now time.Time) (heard map[string]time.Duration, better string) {
	maps.DeleteFunc(h.said, func(_ string, s said) bool { return now.Sub(s.at) > hearingKept })
	if now.Sub(h.looked) > strange { // what was said meanwhile may not be read yet
		for name, s := range h.said {
			h.said[name] = said{at: now, heard: s.heard}
		}
	}
	h.looked = now
	heard = map[string]time.Duration{}
	for name, s := range h.said {
		heard[name] = now.Sub(s.at)
	}
	for _, name := range slices.Sorted(maps.Keys(heard)) {
		if heard[name] < deaf && h.hearsMore(name, heard) {
			return heard, name
		}
	}
	return heard, ""
}

// hearsMore says whether another server hears more than this one.
func (h *hearing) hearsMore(other string, heard map[string]time.Duration) bool {
	there := h.said[other].heard
	lately := func(name string) bool {
		ago, known := there[name]
		return known && heard[other]+ago < heardLately
	}
	if !lately(h.self) {
		return false
	}
	for name, ago := range heard {
		if name != other && ago < deaf && !lately(name) {
			return false
		}
	}
	for name := range there {
		if ago, known := heard[name]; name != h.self && (!known || ago >= deaf) && lately(name) {
			return true
		}
	}
	return false
}
