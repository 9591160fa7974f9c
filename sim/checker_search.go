package sim

import (
	"bytes"
	"cmp"
	"slices"

	"simplane/core"
)

// Now and then everything that core can list is compared with the records: its search,
// by each of its fields and in pages of several sizes, its functions and its sizes.

const (
	listEvery   = 1 << 11 // lines of the log between two comparisons
	mostLists   = 40      // of one run
	mostRecords = 4000    // with more a comparison would cost more than the run
)

// list compares what core lists, if it is time.
func (c *checker) list() {
	w := c.w
	if w.log.lines < c.listAt || len(w.all) == 0 || c.lists == mostLists || w.used > mostRecords || w.violation != nil {
		return
	}
	c.listAt = w.log.lines + listEvery
	c.lists++
	c.sizes()
	for i := range 4 {
		c.search(c.lists*4 + i)
	}
}

// sizes compares core's sizes, settings and functions.
func (c *checker) sizes() {
	w, engine := c.w, c.w.core
	queued, inFlight, syncQueued := 0, 0, 0
	var names []string
	for _, f := range w.functions {
		for _, g := range f.generations {
			queued, inFlight = queued+g.queued, inFlight+g.inFlight
			if g.core != nil {
				syncQueued += g.core.SyncQueueDepth()
			}
		}
		if f.current != nil {
			names = append(names, f.name)
		}
	}
	for _, g := range w.groups {
		queued += g.pausing
	}
	slices.Sort(names)
	all := engine.Functions()
	same := len(all) == len(names)
	for i := 0; same && i < len(all); i++ {
		same = all[i].Name() == names[i] && len(engine.FunctionsAfter(names[i])) == len(names)-i-1
	}
	gotQueued, gotInFlight := engine.Unfinished()
	c.texts(&w.all[c.lists%len(w.all)])
	switch {
	case gotQueued != queued || gotInFlight != inFlight:
		w.fail("conservation", "core has %d queued and %d in flight, its events add up to %d and %d", gotQueued, gotInFlight, queued, inFlight)
	case syncQueued != c.syncQueued:
		w.fail("sync queue depth", "all functions together have %d, events add up to %d", syncQueued, c.syncQueued)
	case engine.AnsweredBytes() != c.answeredBytes:
		w.fail("payload bytes", "core says that answered calls have %d, they have %d", engine.AnsweredBytes(), c.answeredBytes)
	case engine.RateMaxPerSecond() != c.cfg.RateMaxPerSecond || engine.SyncQueue() != c.cfg.SyncQueue:
		w.fail("settings are taken", "core has a rate of %d and sync admission %+v, set were %d and %+v", engine.RateMaxPerSecond(), engine.SyncQueue(), c.cfg.RateMaxPerSecond, c.cfg.SyncQueue)
	case !same:
		w.fail("functions are listed", "core lists %d functions, %v are registered", len(all), names)
	}
}

// texts checks that an id and a status are read back from how they are written.
func (c *checker) texts(rec *record) {
	id, err := core.ParseID(rec.id.String())
	if err != nil || id != rec.id || string(id.AppendTo(nil)) != rec.id.String() {
		c.w.fail("texts are read back", "id %v is written %s and read as %v (%v)", [16]byte(rec.id), rec.id, [16]byte(id), err)
	}
	for s := core.Queued; s <= core.Timeout; s++ {
		if got, ok := core.ParseStatus(s.String()); !ok || got != s {
			c.w.fail("texts are read back", "status %d is written %s and read as %d", s, s, got)
		}
	}
}

// search makes the nth query and compares what it finds, page by page.
func (c *checker) search(n int) {
	q, want := c.query(n), []*record{}
	for i := range c.w.all {
		if rec := &c.w.all[i]; rec.state != stFree && c.matches(&q, rec, int32(i)) {
			want = append(want, rec)
		}
	}
	slices.SortFunc(want, func(a, b *record) int {
		return cmp.Or(cmp.Compare(b.created, a.created), bytes.Compare(b.id[:], a.id[:]))
	})
	for at := 0; ; {
		page := c.w.core.Search(&q)
		for _, found := range page.Executions {
			if at >= len(want) || found.ID != want[at].id {
				c.w.fail("what is kept is found", "search %+v: place %d of %d has execution %s", q, at+1, len(want), found.ID)
				return
			}
			rec, slot := c.w.find(found.ID)
			c.shows(rec, slot, &found.Snapshot, "a search")
			at++
		}
		if !page.More {
			if at != len(want) {
				c.w.fail("what is kept is found", "search %+v: %d executions, expected %d", q, at, len(want))
			}
			return
		}
		q.After = page.Next
	}
}

// query is the nth of a sequence that uses all fields, alone and together.
func (c *checker) query(n int) core.Search {
	q := core.Search{Limit: []int{1000, 3, 50, 17}[n%4]}
	some := &c.w.all[n*7919%len(c.w.all)]
	if n%3 == 0 {
		q.Function = c.w.functions[n%len(c.w.functions)].name
	}
	switch n % 7 {
	case 1:
		q.Statuses = q.Statuses.With(core.Queued).With(core.Running)
	case 2:
		q.Statuses = q.Statuses.With(core.Error).With(core.Timeout)
	case 3:
		q.Statuses = q.Statuses.With(core.Success)
	case 4:
		q.Code = []string{"POOL_ERROR", core.CodeStale, core.CodeCancelled}[n/7%3]
	case 5:
		if some.key >= 0 && int(some.key) < len(c.keys.entries) {
			q.Key = c.keys.entries[some.key].name
		}
	case 6:
		q.Since = some.created / 1e6
	}
	if n%5 == 0 {
		q.Before = some.created/1e6 + int64(n/5%2)
	}
	return q
}

// matches says that a search finds an execution.
func (c *checker) matches(q *core.Search, rec *record, slot int32) bool {
	wall, say := c.w.clock.Wall(), &c.sayings[slot]
	status := core.Queued
	switch rec.state {
	case stRunning:
		status = core.Running
	case stEnded:
		status = say.status
	}
	ended := rec.state == stEnded
	cleaned := rec.cleaned || ended && wall-rec.finished > int64(c.cfg.CleanupTTL)
	switch {
	case ended && wall-rec.finished > int64(c.cfg.TTL),
		q.Function != "" && rec.fn.name != q.Function,
		q.Statuses != 0 && q.Statuses.With(status) != q.Statuses,
		q.Code != "" && (!ended || say.failures().code != q.Code || cleaned && rec.failed),
		q.Key != "" && (rec.key < 0 || c.keys.entries[rec.key].name != q.Key || cleaned),
		q.Since != 0 && rec.created < q.Since*1e6,
		q.Before != 0 && rec.created >= q.Before*1e6:
		return false
	}
	return true
}
