package cluster

// The global rate limit holds over all members: the owner of partition 0 grants each
// member places of the windows to come, never more than there are of one. Windows are
// seconds of Unix time. A member that was granted none admits nothing.

// Granter grants places of the global rate limit. It is for one goroutine.
type Granter struct {
	limit   int64
	from    uint64 // the first window that it may grant of
	highest uint64 // the latest that it has granted of
	windows map[uint64]*window
	wanted  map[string]wish // of each member that asks
}

// wish is what a member has wanted of its latest window, and when, by the granting clock.
type wish struct {
	places int64
	at     uint64
}

// wishKept is for how many seconds what a member has wanted is reserved of the next
// window: one that asks no more has ended.
const wishKept = 3

// window is what was granted of one second.
type window struct {
	given   int64
	members map[string]int64
}

// windowsAhead is how many windows after the present one are granted of.
const windowsAhead = 1

// NewGranter makes the Granter of a new owner of partition 0, whose clock reads
// second. Windows that the owner before it may have granted of are left out: those up
// to granted, if it has told so when it gave the partition up, and otherwise those of
// the next two seconds. Clocks must not differ by more than the time in which an owner
// is found to be gone.
func NewGranter(second, granted uint64) *Granter {
	from := second + windowsAhead + 2
	if granted > 0 {
		from = granted + 1
	}
	return &Granter{from: from, windows: map[uint64]*window{}, wanted: map[string]wish{}}
}

// SetLimit changes the limit, of windows too of which less was granted.
func (g *Granter) SetLimit(n int64) { g.limit = n }

// Highest is the latest window that it, or one before it, may have granted of.
func (g *Granter) Highest() uint64 { return max(g.highest, g.from-1) }

// Ask grants places of the window of a second to a member: want is how many it wants
// in all, members how many there are. member names one life of a process: what an
// earlier one was granted it has used, for all that is known. It returns how many it has now, which may be
// fewer. Asking again is harmless: the answer may have been lost. now is the second
// that the granting clock reads.
func (g *Granter) Ask(member string, second uint64, want int64, members int, now uint64) int64 {
	for old := range g.windows {
		if old+1 < now {
			delete(g.windows, old)
		}
	}
	if second < now || second > now+windowsAhead || second < g.from {
		return 0
	}
	w := g.windows[second]
	if w == nil {
		w = &window{members: map[string]int64{}}
		g.windows[second] = w
	}
	has := w.members[member]
	w.members[member] = has // it has asked
	g.wanted[member] = wish{want, now}
	left := g.limit - w.given
	if second > now {
		left -= g.reserve(w, members, now)
	}
	if more := min(want-has, left); more > 0 {
		w.members[member] += more
		w.given += more
		g.highest = max(g.highest, second)
	}
	return w.members[member]
}

// reserve is what is kept, before a window begins, for those that have not asked for
// it yet: what they have wanted last, up to an equal share.
func (g *Granter) reserve(w *window, members int, now uint64) (n int64) {
	share := max(g.limit/int64(max(members, 1)), 1)
	for member, last := range g.wanted {
		if last.at+wishKept < now {
			delete(g.wanted, member)
		} else if _, asked := w.members[member]; !asked {
			n += min(share, last.places)
		}
	}
	return n
}

// Want is how many places a member should ask for of a window: of the present one
// when it runs short, and of the next one by what it uses now.
func Want(used, granted, limit int64, members int, next bool) int64 {
	share := max(limit/int64(max(members, 1)), 1)
	switch {
	case next:
		return min(limit, max(used+used/4, share/8, 1))
	case used*4 >= granted*3:
		return min(limit, max(2*granted, share))
	}
	return granted
}
