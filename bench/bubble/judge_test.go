package bubble

import (
	"cmp"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"simplane/core"
	"simplane/server/harness/memnet"
	"simplane/sim/scenario"
)

// judge holds what callers were told against what functions have done. It asks the
// server nothing but to look executions up: what it knows of them comes from both ends
// of the connections.
type judge struct {
	s *stage
	// prompt says that the network takes no time, so that instants must agree.
	prompt bool
	// cuts says that connections were cut: an attempt may not know its answer came.
	cuts bool
	// restarted is when another process went on; 0 = none did.
	restarted time.Duration

	calls      map[string]*call      // by trace
	executions map[string]*execution // by id
	old        map[string]string     // redriven executions
	functions  map[string]*scenario.Function
	changed    map[string]bool               // functions that were updated, or deleted
	most       map[string]*scenario.Function // the largest settings that each has had
	lastOn     map[*memnet.Conn]*attempt     // the last attempt that came on a connection
}

// execution is one as its callers and its function saw it.
type execution struct {
	id       string
	calls    []*call // that were told of it
	attempts []*attempt
}

// last is the latest attempt; nil = none.
func (e *execution) last() *attempt {
	if len(e.attempts) == 0 {
		return nil
	}
	return e.attempts[len(e.attempts)-1]
}

// newJudge puts together what was seen so far.
func newJudge(s *stage) *judge {
	j := &judge{
		s: s, calls: map[string]*call{}, executions: map[string]*execution{}, old: map[string]string{},
		functions: map[string]*scenario.Function{}, changed: map[string]bool{}, most: map[string]*scenario.Function{},
		lastOn: map[*memnet.Conn]*attempt{},
	}
	for i := range s.sc.Functions {
		f := &s.sc.Functions[i]
		most := *f
		for k := range s.sc.Faults {
			if c := &s.sc.Faults[k]; c.Function == f.Name && c.Kind != "outage" && c.Kind != "slowdown" && c.Kind != "redrive" && c.Kind != "purge" {
				next := c.Change.Of(*f)
				most.Concurrency, most.MaxRetries = max(most.Concurrency, next.Concurrency), max(most.MaxRetries, next.MaxRetries)
				most.TimeoutMillis = max(most.TimeoutMillis, next.TimeoutMillis)
				j.changed[f.Name] = true
				if c.Kind == "delete-function" { // what runs goes on beside the next one's
					most.Concurrency += f.Concurrency
				}
			}
		}
		for _, name := range f.Names() {
			j.functions[name], j.most[name] = f, &most
		}
	}
	for _, r := range s.redrives {
		for id, old := range r.ids {
			j.old[id] = old
		}
	}
	for _, c := range s.calls {
		j.calls[c.trace] = c
		if c.acknowledged() {
			e := j.execution(c.id)
			e.calls = append(e.calls, c)
		}
	}
	for _, a := range s.functions.seen() {
		e := j.execution(a.id)
		e.attempts = append(e.attempts, a)
		j.lastOn[a.conn] = a
	}
	return j
}

func (j *judge) execution(id string) *execution {
	e := j.executions[id]
	if e == nil {
		e = &execution{id: id}
		j.executions[id] = e
	}
	return e
}

// all judges a run that has become quiet.
func (j *judge) all() {
	for _, c := range j.s.calls {
		j.answered(c)
	}
	for _, e := range j.executions {
		j.attempted(e)
		for _, c := range e.calls {
			j.told(c, e)
		}
	}
	j.slots()
	j.order()
	j.keys()
	j.rates()
}

// answered: a caller that stays gets one answer, and a refused call does not run.
func (j *judge) answered(c *call) {
	switch {
	case c.lost != nil && !c.left:
		j.s.find("%s at %v: no answer: %v", c.trace, c.at, c.lost)
	case c.lost != nil, c.acknowledged():
		return
	}
	switch c.code {
	case core.CodeRateLimited, core.CodeQueueFull, core.CodeEstWait, core.CodeDepth, core.CodeQueueWait:
		if c.status != http.StatusTooManyRequests {
			j.s.find("%s is refused for %s with status %d", c.trace, c.code, c.status)
		}
	}
	if c.code != core.CodeQueueWait && j.prompt && c.answered != c.at {
		j.s.find("%s at %v is refused at %v", c.trace, c.at, c.answered)
	}
}

// attempted: an execution's attempts get what its call brought, one after the other, no
// more of them than retries are allowed, and another one only after a failure that is
// worth one, and after its pause.
func (j *judge) attempted(e *execution) {
	for i, a := range e.attempts {
		c := j.calls[a.trace]
		switch {
		case c == nil:
			j.s.find("execution %s runs for a call %q that nobody has made", e.id, a.trace)
			return
		case c.function != a.function, c.input != a.input && !(a.broken && a.input == ""), c.key != a.key && j.old[e.id] == "":
			j.s.find("%s of %s brings %q under key %q; attempt %d of %s gets %q under %q", c.trace, c.function, c.input, c.key, a.number, a.function, a.input, a.key)
		case c.status != 0 && c.id != e.id && j.old[e.id] == "":
			j.s.find("%s was told %d %s, and execution %s runs for it", c.trace, c.status, c.id, e.id)
		}
		if timeout := time.Duration(j.most[a.function].TimeoutMillis) * time.Millisecond; a.running && j.s.now() > a.received+timeout && a.conn.PeerClosed().IsZero() {
			j.s.find("attempt %d of execution %s is still running", a.number, e.id)
		}
		if a.number != i+1 {
			j.s.find("attempt %d of execution %s comes as its %d.", a.number, e.id, i+1)
		}
		if i > 0 {
			j.retried(e, e.attempts[i-1], a)
		}
	}
	if most := j.most[functionOf(e)]; most != nil && len(e.attempts) > most.MaxRetries+1 {
		j.s.find("execution %s has %d attempts, and %d retries are allowed", e.id, len(e.attempts), most.MaxRetries)
	}
}

// joined says that a call may have come to the execution of an earlier one by its key.
// That one's caller may have left before it was told of the execution.
func (j *judge) joined(c *call) bool {
	if !c.acknowledged() || c.key == "" {
		return false
	}
	e := j.executions[c.id]
	if len(e.attempts) > 0 {
		return e.attempts[0].trace != c.trace
	}
	return slices.ContainsFunc(j.s.calls, func(o *call) bool {
		return o != c && o.function == c.function && o.key == c.key && o.at <= c.answered && (o.lost != nil || o.id == c.id)
	})
}

func functionOf(e *execution) string {
	if len(e.attempts) > 0 {
		return e.attempts[0].function
	}
	return ""
}

// mostAsked is the longest pause that a function's Retry-After can have.
const mostAsked = 5 * time.Minute

// retried: an attempt comes after the end of the one before, which has failed in a way
// that is worth another one, and after a pause that grows.
func (j *judge) retried(e *execution, before, a *attempt) {
	f := j.functions[a.function]
	pause := f.RetryBackoff.InitialMillis
	if before.number > 1 {
		pause = int(float64(pause) * math.Pow(f.RetryBackoff.Multiplier, float64(before.number-1)))
	}
	least := time.Duration(float64(min(pause, f.RetryBackoff.MaxMillis)) * (1 - f.RetryBackoff.Jitter) * float64(time.Millisecond))
	if j.changed[f.Name] {
		least = 0
	}
	switch {
	case a.received < before.over:
		j.s.find("attempt %d of execution %s begins at %v, and the one before is over at %v", a.number, e.id, a.received, before.over)
	case !before.cut && !j.interrupted(before, a) && (before.status == http.StatusOK || before.status == http.StatusUnprocessableEntity || before.broken):
		j.s.find("attempt %d of execution %s follows one that ended with status %d, broken off %v", a.number, e.id, before.status, before.broken)
	case a.received-before.over < max(least, min(before.asked, mostAsked))-time.Millisecond:
		j.s.find("attempt %d of execution %s comes %v after the one before, expected at least %v", a.number, e.id, a.received-before.over, max(least, before.asked))
	}
}

// interrupted says that an attempt's process has ended before it had the answer, and that
// a is made by the next one.
func (j *judge) interrupted(before, a *attempt) bool {
	return before.received < j.restarted && a.received >= j.restarted && before.over <= j.restarted &&
		(before.broken || j.lastOn[before.conn] == before && before.conn.Lost())
}

// told: a caller gets the outcome of the last attempt of its own execution, at once.
func (j *judge) told(c *call, e *execution) {
	if !c.waits() {
		if c.status != http.StatusAccepted || c.result != "queued" && !j.joined(c) && j.prompt {
			j.s.find("%s is enqueued and told %d %s", c.trace, c.status, c.result)
		}
		if j.prompt && c.answered != c.at {
			j.s.find("%s at %v is acknowledged at %v", c.trace, c.at, c.answered)
		}
		if c.result == "queued" || c.result == "running" {
			return
		}
	}
	last := e.last()
	switch c.result {
	case "success":
		switch {
		case last == nil || last.status != http.StatusOK || last.cut:
			j.s.find("%s: success of execution %s, of which no attempt has succeeded", c.trace, e.id)
		case c.output != last.output && !(c.output == "" && j.dropped(c, last)):
			j.s.find("%s: execution %s answers %s, its last attempt %s", c.trace, e.id, c.output, last.output)
		case j.prompt && c.answered != max(c.at, last.over):
			j.s.find("%s at %v: success at %v, and its attempt was over at %v", c.trace, c.at, c.answered, last.over)
		}
	case "error":
		j.toldError(c, e, last)
	case "timeout":
		limit := time.Duration(cmp.Or(c.load.TimeoutMillis, j.functions[c.function].TimeoutMillis)) * time.Millisecond
		if took := c.answered - c.at; c.code == "" && j.prompt && !j.changed[j.functions[c.function].Name] && (took > limit || took != limit && !j.joined(c)) {
			j.s.find("%s times out after %v, expected %v", c.trace, took, limit)
		}
		if last != nil && last.status == http.StatusOK && last.over < c.answered && !j.joined(c) && !j.cuts {
			j.s.find("%s times out at %v, and its attempt had succeeded at %v", c.trace, c.answered, last.over)
		}
	default:
		j.s.find("%s waited and is told %q", c.trace, c.result)
	}
}

// dropped says that the payload of an attempt's answer may be gone when a caller comes
// with the key of its execution.
func (j *judge) dropped(c *call, last *attempt) bool {
	if short := j.s.sc.Core.MaxPayloadBytes < core.DefaultConfig().MaxPayloadBytes; short {
		return c.at > last.over
	}
	return c.at-last.over > j.s.sc.Core.CleanupTTL
}

func (j *judge) toldError(c *call, e *execution, last *attempt) {
	switch c.code {
	case "POOL_ERROR":
		switch {
		case last == nil || last.status == http.StatusOK && !last.cut:
			j.s.find("%s: error of execution %s, whose last attempt has not failed: %s", c.trace, e.id, c.message)
		case last.says != "" && !last.cut && !strings.Contains(c.message, strconv.Itoa(last.status)):
			j.s.find("%s: execution %s fails with %q, its last attempt with %d %s", c.trace, e.id, c.message, last.status, last.says)
		}
	case "": // cleaned up
		if last != nil && !j.dropped(c, last) {
			j.s.find("%s: execution %s has failed without a code", c.trace, e.id)
		}
	case core.CodeStale, core.CodeQueueFull, core.CodeCancelled, core.CodeFunctionDeleted:
	default:
		j.s.find("%s: execution %s fails with %s %s", c.trace, e.id, c.code, c.message)
	}
}

// byFunction are the attempts of each function, by when they came.
func (j *judge) byFunction() map[string][]*attempt {
	all := map[string][]*attempt{}
	for _, a := range j.s.functions.seen() {
		all[a.function] = append(all[a.function], a)
	}
	return all
}

// slots: no more attempts run at once than the function has slots, and no call waits
// while one is free.
func (j *judge) slots() {
	type edge struct {
		at   time.Duration
		more int
	}
	for name, attempts := range j.byFunction() {
		var edges []edge
		freed := map[time.Duration]bool{}
		var stale []time.Duration
		for _, a := range attempts {
			until := j.s.heldUntil(a)
			if until > a.received {
				edges = append(edges, edge{a.received, 1}, edge{until, -1})
			}
			if freed[a.over] = true; until == a.received+j.s.sc.Core.StaleTTL {
				stale = append(stale, until)
			}
		}
		slices.SortFunc(edges, func(a, b edge) int { return cmp.Or(cmp.Compare(a.at, b.at), a.more-b.more) })
		running, most := 0, j.most[name].Concurrency
		for _, e := range edges {
			if running += e.more; running > most {
				j.s.find("%s: %d attempts at %v, with %d slots", name, running, e.at, most)
				break
			}
		}
		// A sweep frees the slot of a stale attempt, whose function may go on.
		swept := func(at time.Duration) bool {
			return slices.ContainsFunc(stale, func(since time.Duration) bool { return since <= at && at <= since+j.sweep() })
		}
		if !j.prompt || j.changed[j.functions[name].Name] {
			continue
		}
		for _, a := range attempts {
			if c := j.calls[a.trace]; c != nil && a.number == 1 && j.old[a.id] == "" && a.received != c.at && !freed[a.received] && !swept(a.received) {
				j.s.find("%s: %s came at %v and runs from %v, when no slot became free", name, c.trace, c.at, a.received)
				break
			}
		}
	}
}

// order: first attempts come in the order of their calls.
func (j *judge) order() {
	if !j.prompt || j.s.sc.Core.PassOverLate {
		return
	}
	for name, attempts := range j.byFunction() {
		before := time.Duration(-1) // call of those that came before this instant
		group, now := time.Duration(-1), time.Duration(-1)
		for _, a := range attempts {
			c := j.calls[a.trace]
			if c == nil || a.number > 1 || j.old[a.id] != "" {
				continue
			}
			if a.received > now {
				before, now, group = max(before, group), a.received, -1
			}
			if c.at < before {
				j.s.find("%s: %s came at %v and runs at %v, after one that came at %v", name, c.trace, c.at, a.received, before)
				break
			}
			group = max(group, c.at)
		}
	}
}

// keys: calls with one key lead to one execution while the key and the execution are
// kept.
func (j *judge) keys() {
	first := map[[2]string]*call{}
	for _, c := range j.s.calls {
		if c.key == "" || !c.acknowledged() || j.changed[j.functions[c.function].Name] {
			continue
		}
		at := [2]string{c.function, c.key}
		f := first[at]
		if f == nil || f.id != c.id {
			// A key of what only a process's memory had goes with that.
			gone := f != nil && f.waits() && f.at < j.restarted && c.answered > j.restarted
			if f != nil && !gone && c.at-f.at < j.s.sc.Core.IdempotencyTTL && j.kept(f, c.at) {
				j.s.find("%s and %s have one key within %v, and lead to executions %s and %s", f.trace, c.trace, c.at-f.at, f.id, c.id)
			}
			first[at] = c
			continue
		}
		if f.input != c.input {
			j.s.find("%s and %s have one key and different inputs, and lead to one execution", f.trace, c.trace)
		}
	}
}

// kept says that a call's execution is certainly kept at a time.
func (j *judge) kept(c *call, at time.Duration) bool {
	last := j.executions[c.id].last()
	return last != nil && (last.running || at-last.over < j.s.sc.Core.TTL) && j.s.sc.Core.StaleTTL > at-c.at
}

// rates: no second has more accepted calls than the limits.
func (j *judge) rates() {
	limit := j.s.sc.Core.RateMaxPerSecond
	for i := range j.s.sc.Faults {
		if r := j.s.sc.Faults[i].Rate; r != nil && (*r == 0 || *r > limit) {
			limit = *r
		}
	}
	all, each := map[time.Duration]int64{}, map[string]map[time.Duration]int64{}
	for _, c := range j.s.calls {
		if !c.acknowledged() && c.lost == nil && c.code != core.CodeQueueWait {
			continue
		}
		second := c.at / time.Second
		if each[c.function] == nil {
			each[c.function] = map[time.Duration]int64{}
		}
		all[second]++
		each[c.function][second]++
	}
	over := func(n, limit int64) bool { return limit > 0 && n > limit && j.prompt }
	for second, n := range all {
		if over(n, limit) {
			j.s.find("%d calls were accepted in second %d, of %d", n, second, limit)
		}
	}
	for name, seconds := range each {
		for second, n := range seconds {
			if limit := j.functions[name].RateMaxPerSecond; over(n, limit) && !j.changed[j.functions[name].Name] {
				j.s.find("%s: %d calls were accepted in second %d, of %d", name, n, second, limit)
			}
		}
	}
}
