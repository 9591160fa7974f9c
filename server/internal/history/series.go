package history

// Series is an hour or less of a function, or of all, oldest first, one value an
// interval. A nil value is not known: before there was a server, or it has been
// overwritten.
type Series struct {
	FromMillis int64      `json:"fromMillis"` // end of the first interval
	StepMillis int64      `json:"stepMillis"`
	Accepted   []*float32 `json:"accepted"` // a second
	OK         []*float32 `json:"ok"`
	Failed     []*float32 `json:"failed"` // errors and timeouts
	Rejected   []*float32 `json:"rejected"`
	Queued     []*uint32  `json:"queued"` // at the end of the interval
	InFlight   []*uint32  `json:"inFlight"`
	Slots      []*uint32  `json:"slots"`
	Ready      []*uint32  `json:"ready"` // instances
	P50        []*float32 `json:"p50"`   // ms, of what ended in the interval; nil = nothing did
	P99        []*float32 `json:"p99"`
}

// Now is the last interval of a function: a second, and ms.
type Now struct{ Accepted, OK, Failed, Rejected, P50, P99 float32 }

// recent is how many intervals Recent has.
const recent = 12

// of is a function's track, that of all for ""; nil for an unknown one.
func (k *Keeper) of(name string) *track {
	if name == "" {
		return &k.total
	}
	return k.tracks[name]
}

// Of is the series of a function, "" for all together, from a wall time on, ms.
// known is false for a function without one.
func (k *Keeper) Of(name string, fromMillis int64) (s Series, known bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s.StepMillis = Interval.Milliseconds()
	t, newest := k.of(name), k.total.looked
	if t == nil {
		s.write(nil)
		return s, false
	}
	n := uint32(0)
	if newest != 0 {
		n = min(Kept, newest-k.first+1)
		if seen := fromMillis / s.StepMillis; seen >= int64(newest) {
			n = 0
		} else if seen > int64(newest-n) {
			n = newest - uint32(seen)
		}
	}
	grid := make([]sample, n)
	k.fill(t, name == "", newest, grid)
	s.FromMillis = int64(newest-n+1) * s.StepMillis
	s.write(grid)
	return s, true
}

// Latest is the last interval of a function; zero for an unknown one.
func (k *Keeper) Latest(name string) Now {
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.of(name)
	if t == nil {
		return Now{}
	}
	s := &t.now
	return Now{s.accepted, s.ok, s.failed, s.rejected, s.p50, s.p99}
}

// Recent is what was accepted a second in each interval of the last minute, oldest first.
func (k *Keeper) Recent(name string) (all []float32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t, newest := k.of(name), k.total.looked
	if t == nil || newest == 0 {
		return nil
	}
	grid := make([]sample, min(recent, newest-k.first+1))
	k.fill(t, name == "", newest, grid)
	for i := range grid {
		all = append(all, grid[i].accepted)
	}
	return all
}

// fill puts a track's samples into a grid that ends at the tick newest. What is not
// known has the tick 0.
func (k *Keeper) fill(t *track, total bool, newest uint32, grid []sample) {
	n := uint32(len(grid))
	at := func(tick uint32) int { return int(tick - (newest - n + 1)) }
	if total {
		for tick := newest - n + 1; tick <= newest && n > 0; tick++ {
			if s := k.totals[tick%Kept]; s.tick == tick && tick != k.first {
				grid[at(tick)] = s
			}
		}
		return
	}
	// From the newest sample back; between two of them the function was at rest, as
	// the earlier one of them left it.
	end := newest // of what is not filled yet
	rest := func(from uint32, like *sample) {
		for tick := max(from, newest-n+1, t.since+1); tick <= end && n > 0; tick++ {
			if k.ticks[tick%Kept] == tick {
				grid[at(tick)] = sample{tick: tick, slots: like.slots, ready: like.ready}
			}
		}
	}
	for number := t.newest; number != 0 && k.written-number < k.most && n > 0; {
		s := k.ring[number%k.most]
		rest(s.tick+1, &s)
		if s.tick < newest-n+1 {
			return
		}
		if s.tick > t.since || t.since != k.first {
			grid[at(s.tick)] = s
		}
		end = s.tick - 1
		if s.back == 0 {
			if number == t.oldest { // else what was before it is overwritten
				rest(t.since, &sample{})
			}
			return
		}
		number -= uint64(s.back)
	}
	if t.newest == 0 {
		rest(t.since, &t.now)
	}
}

func (s *Series) write(grid []sample) {
	n := len(grid)
	rates, counts := make([]float32, 6*n), make([]uint32, 4*n)
	rate := func(v float32) *float32 {
		rates[0] = v
		p := &rates[0]
		rates = rates[1:]
		return p
	}
	count := func(v uint32) *uint32 {
		counts[0] = v
		p := &counts[0]
		counts = counts[1:]
		return p
	}
	for _, list := range []*[]*float32{&s.Accepted, &s.OK, &s.Failed, &s.Rejected, &s.P50, &s.P99} {
		*list = make([]*float32, n)
	}
	for _, list := range []*[]*uint32{&s.Queued, &s.InFlight, &s.Slots, &s.Ready} {
		*list = make([]*uint32, n)
	}
	for i := range grid {
		g := &grid[i]
		if g.tick == 0 {
			continue
		}
		s.Accepted[i], s.OK[i], s.Failed[i], s.Rejected[i] = rate(g.accepted), rate(g.ok), rate(g.failed), rate(g.rejected)
		s.Queued[i], s.InFlight[i], s.Slots[i], s.Ready[i] = count(g.queued), count(g.inFlight), count(g.slots), count(g.ready)
		if g.p99 > 0 {
			s.P50[i], s.P99[i] = rate(g.p50), rate(g.p99)
		}
	}
}
