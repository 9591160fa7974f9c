package bubble

import (
	"slices"

	"simplane/core"
	"simplane/sim"
	"simplane/sim/scenario"
)

// counts are those of one declared function by the names that scenario files use.
type counts map[string]int64

// compared are the counts that a server, its callers and its functions show. Evictions
// and clean-ups are seen as look-ups that find nothing; see judge.expired.
var compared = []string{
	"offered", "accepted", "success", "error", "timeout", "retries", "idempotent_hits", "cold_starts", "queue_wait_exceeded",
	"rejected.rate_limited", "rejected.queue_full", "rejected.est_wait", "rejected.depth", "rejected.store_full",
	"rejected.idempotency_store_full", "rejected.idempotency_key_reused", "rejected.not_found",
}

// rejections are the counts of refusals, by error code.
var rejections = map[string]string{
	core.CodeRateLimited: "rejected.rate_limited", core.CodeQueueFull: "rejected.queue_full",
	core.CodeEstWait: "rejected.est_wait", core.CodeDepth: "rejected.depth", core.CodeStoreFull: "rejected.store_full",
	core.CodeIdempotencyFull: "rejected.idempotency_store_full", core.CodeKeyReused: "rejected.idempotency_key_reused",
	core.CodeNotFound: "rejected.not_found", core.CodeQueueWait: "queue_wait_exceeded",
}

// count adds up what callers were told and what the server says of its executions, by
// declared function.
func (s *stage) count() map[string]counts {
	var stats stats
	s.get("/v1/admin/stats", &stats)
	if stats.Truncated {
		s.find("the statistics are truncated")
	}
	declared, all := map[string]counts{}, map[string]counts{}
	for i := range s.sc.Functions {
		n := counts{}
		all[s.sc.Functions[i].Name] = n
		for _, name := range s.sc.Functions[i].Names() {
			declared[name] = n
			f := stats.Functions[name]
			n["accepted"] += f.Enqueued
			n["success"] += f.Success
			n["error"] += f.Error
			n["timeout"] += f.Timeout
			n["retries"] += f.Retries
			n["cold_starts"] += f.ColdStarts
		}
	}
	for _, c := range s.calls {
		n := declared[c.function]
		n["offered"]++
		switch name := rejections[c.code]; {
		case c.lost != nil, c.acknowledged():
			n["idempotent_hits"]++
		case c.code == core.CodeQueueWait: // it was accepted
			n[name]++
			n["idempotent_hits"]++
		case name != "":
			n[name]++
		default:
			s.find("%s is refused with %d %s", c.trace, c.status, c.code)
		}
	}
	for _, r := range s.redrives {
		n := declared[r.function]
		n["offered"] += int64(len(r.ids)) + int64(len(r.refused))
		n["idempotent_hits"] += int64(len(r.ids))
		for _, code := range r.refused {
			n[rejections[code]]++
		}
	}
	for _, n := range all {
		n["idempotent_hits"] -= n["accepted"]
	}
	return all
}

// ties is of how many calls one may go another way than in the simulator: what comes at
// one instant has an order there that the seed decides, and any here.
const ties = 500

// compare holds the counts against the simulator's.
func (s *stage) compare(simulated *sim.Result, got map[string]counts, but []string) {
	for i := range simulated.Functions {
		f := &simulated.Functions[i]
		for _, name := range compared {
			want, may := f.Counts.Get(name), f.Counts.Get("offered")/ties
			if off := got[f.Name][name] - want; max(off, -off) > may && !slices.Contains(but, name) {
				s.find("%s: %s is %d, and the simulator's %d", f.Name, name, got[f.Name][name], want)
			}
		}
	}
}

// expect holds the counts against what the scenario itself demands of them at its end.
func (s *stage) expect(got map[string]counts, but []string) {
	for i := range s.sc.Expect {
		e := &s.sc.Expect[i]
		if e.Count == "" || e.At > 0 || !slices.Contains(compared, e.Count) || slices.Contains(but, e.Count) {
			continue
		}
		n := int64(0)
		for name, c := range got {
			if e.Function == "" || e.Function == name {
				n += c[e.Count]
			}
		}
		if !holds(n, e) {
			s.find("line %d: %s of %q is %d, and must be %s %s", e.Line, e.Count, e.Function, n, e.Op, e.Value)
		}
	}
}

func holds(n int64, e *scenario.Check) bool {
	switch e.Op {
	case "==":
		return n == e.Want
	case "!=":
		return n != e.Want
	case "<":
		return n < e.Want
	case "<=":
		return n <= e.Want
	case ">":
		return n > e.Want
	}
	return n >= e.Want
}
