package live

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"simplane/bench/latency"
	"simplane/core"
	"simplane/server/client"
	"simplane/sim"
	"simplane/sim/scenario"
)

// observed is what one run tells of one declared function, its copies together:
// counts by the names that scenario files use, and latencies.
type observed struct {
	counts    map[string]int64
	e2e, wait *latency.Histogram
	seconds   float64 // of load
}

// dispatched is the count of attempts, which scenario files have no name for.
const dispatched = "dispatched"

// precision is that of the simulator's histograms.
var precision = latency.Precision{Unit: time.Microsecond, Highest: 24 * time.Hour, Digits: 3}

func ofSimulation(r *sim.Result, i int, load time.Duration) observed {
	f := &r.Functions[i]
	o := observed{counts: map[string]int64{dispatched: f.QueueWait.Count}, e2e: f.Histogram("e2e"), wait: f.Histogram("queue_wait"), seconds: load.Seconds()}
	for _, name := range scenario.CountNames {
		o.counts[name] = f.Counts.Get(name)
	}
	for _, h := range []**latency.Histogram{&o.e2e, &o.wait} {
		if *h == nil {
			*h = &latency.Histogram{Precision: precision}
		}
	}
	return o
}

// measured is a function's part of the real run.
type measured struct {
	observed
	decl           *scenario.Function
	ended          []timed // executions
	e2es, waits    []int64 // ns, in order of arrival
	lost, left     int64   // calls without an answer; whose callers left
	cost           time.Duration
	costKnown      bool
	drawn, service float64 // sums over the last attempts: ms
	lasts          float64 // of those drawn
	findings       []string
}

// timed is how long an execution took that came at a time, both in ns.
type timed struct{ at, took int64 }

func (m *measured) find(format string, args ...any) {
	m.findings = append(m.findings, m.decl.Name+": "+fmt.Sprintf(format, args...))
}

// measure puts together what callers, backends and server have seen.
func (r *run) measure(ctx context.Context, before, after figures) (map[string]*measured, error) {
	all, byName := map[string]*measured{}, map[string]*measured{} // declared, registered
	for i := range r.sc.Functions {
		f := &r.sc.Functions[i]
		m := &measured{decl: f, observed: observed{
			counts: map[string]int64{}, seconds: r.sc.Duration.Seconds(),
			e2e: &latency.Histogram{Precision: precision}, wait: &latency.Histogram{Precision: precision},
		}}
		all[f.Name] = m
		for _, name := range f.Names() {
			byName[name] = m
			m.addStats(before.stats[name], after.stats[name])
		}
	}
	if err := r.addRecords(ctx, byName, r.addCalls(byName)); err != nil {
		return nil, err
	}
	attempts, err := r.attempts(after, before)
	if err != nil {
		return nil, err
	}
	r.addAttempts(byName, attempts)
	for _, m := range all {
		m.finish(before, after)
	}
	return all, nil
}

// addStats adds what the server has counted.
func (m *measured) addStats(before, after client.FunctionStats) {
	c := m.counts
	c["accepted"] += after.Enqueued - before.Enqueued
	c[dispatched] += after.Dispatched - before.Dispatched
	c["success"] += after.Success - before.Success
	c["error"] += after.Error - before.Error
	c["timeout"] += after.Timeout - before.Timeout
	c["retries"] += after.Retries - before.Retries
	c["cold_starts"] += after.ColdStarts - before.ColdStarts
	c["rejected"] += after.Rejected - before.Rejected
}

// rejections are the names that scenario files have for refusals, by error code.
var rejections = map[string]string{
	core.CodeRateLimited: "rejected.rate_limited", core.CodeQueueFull: "rejected.queue_full",
	core.CodeEstWait: "rejected.est_wait", core.CodeDepth: "rejected.depth", core.CodeStoreFull: "rejected.store_full",
	core.CodeIdempotencyFull: "rejected.idempotency_store_full", core.CodeKeyReused: "rejected.idempotency_key_reused",
	core.CodeNotFound: "rejected.not_found",
}

// addCalls adds what the callers have seen. It returns the ids of the executions
// whose ends they have seen.
func (r *run) addCalls(byName map[string]*measured) map[string]bool {
	seen := map[string]bool{}
	for i := range r.calls {
		c := &r.calls[i]
		m := byName[c.function]
		m.counts["offered"]++
		switch name, refused := rejections[c.refused]; {
		case refused:
			m.counts[name]++
			continue
		case c.refused == core.CodeQueueWait: // it was accepted, waited, and ended
			m.counts["queue_wait_exceeded"]++
		case c.refused != "":
			m.counts["rejected.other"]++
			continue
		case c.left:
			m.left++
			continue
		case c.lost != nil:
			if m.lost == 0 {
				m.find("a call without an answer: %v", c.lost)
			}
			m.lost++
			continue
		case c.load.Mode == "enqueue", seen[c.id]: // a later call that joins is no execution
			continue
		}
		if c.id != "" {
			seen[c.id] = true
		}
		m.ended = append(m.ended, timed{int64(c.at), int64(c.answered - c.at)})
	}
	return seen
}

// addRecords adds executions whose ends no caller has seen, from the server's
// records. Their times are exact to a millisecond. seen are the ids of the others.
func (r *run) addRecords(ctx context.Context, byName map[string]*measured, seen map[string]bool) error {
	if !needsRecords(r.sc) {
		return nil
	}
	for name, m := range byName {
		list, err := r.server.api.Executions(ctx, client.Search{Function: name, SinceMillis: r.began.UnixMilli(), Limit: len(r.calls) + 1})
		if err != nil {
			return fmt.Errorf("reading the executions of %s: %w", name, err)
		}
		for _, e := range list.Value.Executions {
			if !seen[e.ExecutionID] && e.Ended() {
				m.ended = append(m.ended, timed{(e.CreatedAtMillis - r.began.UnixMilli()) * 1e6, (e.FinishedAtMillis - e.CreatedAtMillis) * 1e6})
			}
		}
	}
	return nil
}

// attempts waits until the backends have seen all attempts that the server has made.
func (r *run) attempts(after, before figures) ([]attempt, error) {
	want := int64(0)
	for i := range r.sc.Functions {
		for _, name := range r.sc.Functions[i].Names() {
			want += after.stats[name].Dispatched - before.stats[name].Dispatched
		}
	}
	// The end of one that was broken off comes with the end of its connection.
	for deadline := time.Now().Add(2 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		all, err := r.backends.seen()
		if err != nil || int64(len(all)) >= want || time.Now().After(deadline) {
			return all, err
		}
	}
}

// addAttempts adds what the backends have seen: queue waits, and how long the last
// attempt of each execution should have taken.
func (r *run) addAttempts(byName map[string]*measured, attempts []attempt) {
	type key struct {
		id     core.ID
		number int32
	}
	at := map[key]*attempt{}
	for i := range attempts {
		at[key{attempts[i].id, attempts[i].number}] = &attempts[i]
	}
	reached := map[*measured]int64{}
	for i := range attempts {
		a := &attempts[i]
		m := byName[a.function]
		reached[m]++
		// One that was to be tried again and was not has ended in its pause, which
		// is in no service time.
		retried := a.failed && !a.permanent && int(a.number) <= m.decl.MaxRetries
		if at[key{a.id, a.number + 1}] == nil && !retried {
			m.lasts++
			if a.broken {
				m.drawn += float64(a.answered-a.received) / 1e6
			} else {
				m.drawn += float64(a.drawn) / 1e6
			}
		}
		var queued time.Duration
		if before := at[key{a.id, a.number - 1}]; before != nil {
			queued = before.answered + m.decl.RetryBackoff.Pause(a.id, before.number, before.asked)
		} else if a.number == 1 && a.call >= 0 && a.call < len(r.calls) {
			queued = r.calls[a.call].at
		} else {
			continue
		}
		wait := int64(max(a.received-queued, 0))
		m.waits = append(m.waits, wait)
		m.wait.Record(wait)
	}
	for _, m := range byName {
		if n := m.counts[dispatched] - reached[m]; n > 0 && reached[m] >= 0 {
			m.find("%d of %d attempts reached no backend", n, m.counts[dispatched])
			reached[m] = -1 // said once, for all copies
		}
	}
}

// finish derives what follows from several sources.
func (m *measured) finish(before, after figures) {
	refused := int64(0)
	for _, name := range rejections {
		refused += m.counts[name]
	}
	refused += m.counts["rejected.other"]
	switch told := m.counts["rejected"]; {
	case m.left+m.lost > 0 && told > refused: // of callers that did not wait for the refusal
		m.counts["rejected.other"] += told - refused
		refused = told
	case told != refused:
		m.find("callers were refused %d times, the server says %d", refused, told)
	}
	m.counts["idempotent_hits"] = max(m.counts["offered"]-m.counts["accepted"]-refused-m.lost, 0)
	if m.lost > 0 {
		m.find("%d calls without an answer: what came of them is not known", m.lost)
	}
	slices.SortStableFunc(m.ended, func(a, b timed) int { return cmp.Compare(a.at, b.at) })
	for _, e := range m.ended {
		m.e2es = append(m.e2es, e.took)
		m.e2e.Record(e.took)
	}
	if missing := m.counts["accepted"] - int64(len(m.ended)); missing != 0 && m.lost == 0 {
		m.find("%d of %d executions ended with nobody seeing how long they took", missing, m.counts["accepted"])
	}
	n := 0.0
	for _, name := range m.decl.Names() {
		m.service += after.service[name] - before.service[name]
		n += after.served[name] - before.served[name]
	}
	// What an attempt takes beside its service time can be told if all had theirs.
	if n > 0 && n == m.lasts && m.counts["timeout"] == 0 && len(m.findings) == 0 {
		m.cost = max(time.Duration((m.service-m.drawn)/n*1e6), 0)
		m.costKnown = true
	}
}
