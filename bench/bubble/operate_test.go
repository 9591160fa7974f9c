package bubble

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing/synctest"
	"time"

	"simplane/sim/scenario"
)

// operate carries out the scenario's faults that an operator makes, at their times.
// wait returns when all are done.
func (s *stage) operate() (wait func()) {
	specs := map[string]scenario.Function{} // declared
	for i := range s.sc.Functions {
		specs[s.sc.Functions[i].Name] = s.sc.Functions[i]
	}
	faults := slices.Clone(s.sc.Faults)
	slices.SortStableFunc(faults, func(a, b scenario.Fault) int { return int(a.At - b.At) })
	var done sync.WaitGroup
	done.Go(func() {
		for i := range faults {
			f := &faults[i]
			if f.Kind == "outage" || f.Kind == "slowdown" { // the functions' own doing
				continue
			}
			s.until(f.At)
			s.carryOut(f, specs)
		}
	})
	return done.Wait
}

func (s *stage) carryOut(f *scenario.Fault, specs map[string]scenario.Function) {
	var names []string
	if decl := s.sc.Find(f.Function); decl != nil {
		names = decl.Names()
	}
	expect := func(want int, method, path string, body any) {
		if status, answer := s.ask(method, path, body); status != want {
			s.find("%s at %v: %s %s: %d %s", f.Kind, f.At, method, path, status, answer)
		}
	}
	for _, name := range names {
		switch at := "/v1/functions/" + name; f.Kind {
		case "update", "reconfigure":
			next := f.Change.Of(specs[f.Function])
			body := spec(&next, name)
			var seen []string
			if f.IfGeneration > 0 {
				seen = []string{"If-Match", strconv.Quote(strconv.FormatUint(f.IfGeneration, 10))}
			}
			status, answer := s.ask("PUT", at, body, seen...)
			switch {
			case status == http.StatusOK:
				specs[f.Function] = next
			case status != http.StatusConflict && status != http.StatusPreconditionFailed || f.IfGeneration == 0:
				s.find("%s at %v: %d %s", f.Kind, f.At, status, answer)
			}
		case "delete-function":
			expect(http.StatusNoContent, "DELETE", at, nil)
		case "create-function":
			specs[f.Function] = *s.sc.Find(f.Function)
			expect(http.StatusCreated, "POST", "/v1/functions", spec(s.sc.Find(f.Function), name))
		case "redrive":
			s.redrive(name)
		case "purge":
			expect(http.StatusNoContent, "DELETE", at+"/dead-letters", nil)
		}
	}
	if f.Kind == "set-rate" {
		var now struct{ Revision int64 }
		s.get("/v1/admin/runtime-config", &now)
		expect(http.StatusOK, "PATCH", "/v1/admin/runtime-config", map[string]any{"expectedRevision": now.Revision, "rateMaxPerSecond": *f.Rate})
	}
}

// redriven is what became of a redrive: the new executions with the old ones, and the
// codes of those that were refused.
type redriven struct {
	function string
	ids      map[string]string
	refused  []string
}

// redrive submits all dead letters of a function again.
func (s *stage) redrive(name string) {
	status, answer := s.ask("POST", "/v1/functions/"+name+"/dead-letters:redrive", map[string]any{"all": true})
	var a struct {
		Redriven []struct{ ID, ExecutionID string }
		Failed   []struct{ Error string }
	}
	if err := json.Unmarshal(answer, &a); err != nil || status != http.StatusOK {
		s.find("redrive of %s: %d %s", name, status, answer)
	}
	r := redriven{function: name, ids: map[string]string{}}
	for _, l := range a.Redriven {
		r.ids[l.ExecutionID] = l.ID
	}
	for _, l := range a.Failed {
		r.refused = append(r.refused, l.Error)
	}
	s.redrives = append(s.redrives, r)
}

// quiet waits until all that was accepted has ended, and is counted: a step of core frees
// slots first and reports afterwards.
func (s *stage) quiet() {
	for {
		var stats stats
		if !s.get("/v1/admin/stats", &stats) {
			s.find("the statistics cannot be read")
			return
		}
		left := 0
		for _, f := range stats.Functions {
			left += f.QueueDepth + f.InFlight + f.Pausing
		}
		if left == 0 {
			synctest.Wait()
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// stats are what the server counts.
type stats struct {
	Functions        map[string]functionStats
	Truncated        bool
	StoredExecutions int
	StoredKeys       int
	PayloadBytes     int64
	SyncQueueDepth   int
}

type functionStats struct {
	QueueDepth, InFlight, Pausing                                                int
	Enqueued, Dispatched, Success, Error, Timeout, Retries, Rejected, ColdStarts int64
}
