package bubble

import (
	"cmp"
	"encoding/json"
	"net/http"
	"time"
)

// found is an execution as a look-up shows it.
type found struct {
	ExecutionID, FunctionName, Status string
	Attempt                           int
	FinishedAtMillis                  int64
	CleanedUp                         bool
	Output                            json.RawMessage
	Error                             struct{ Code, Message string }
}

// lookUp looks an execution up; false when there is none.
func (s *stage) lookUp(id string) (f found, ok bool) {
	status, body := s.ask("GET", "/v1/executions/"+id, nil)
	switch {
	case status == http.StatusNotFound:
		return f, false
	case status != http.StatusOK || json.Unmarshal(body, &f) != nil || f.ExecutionID != id:
		s.find("looking execution %s up: %d %s", id, status, body)
	}
	return f, true
}

// lookUps: every execution that somebody was told of has ended, as its last attempt
// says, and is found until its TTL. At most so many are looked up, evenly.
func (j *judge) lookUps(most int) {
	every, n := max(len(j.executions)/most, 1), 0
	core := &j.s.sc.Core
	for id, e := range j.executions {
		if n++; n%every != 0 || len(e.calls) == 0 {
			continue
		}
		f, ok := j.s.lookUp(id)
		last, now := e.last(), j.s.now()
		if !ok {
			deleted := j.changed[j.functions[e.calls[0].function].Name]
			if last != nil && !last.running && last.status == http.StatusOK && now-last.over <= core.TTL && !deleted {
				j.s.find("execution %s succeeded at %v and is not found at %v", id, last.over, now)
			}
			continue
		}
		switch {
		case f.Status != "success" && f.Status != "error" && f.Status != "timeout":
			j.s.find("execution %s is %s when all has ended", id, f.Status)
		case last == nil:
		case f.Attempt < last.number:
			j.s.find("execution %s is shown at attempt %d, and %d has run", id, f.Attempt, last.number)
		case f.Status == "success" && (last.status != http.StatusOK || !f.CleanedUp && string(f.Output) != last.output):
			j.s.find("execution %s is shown to have succeeded with %s; its last attempt: %d %s", id, f.Output, last.status, last.output)
		case f.Status == "success" && f.FinishedAtMillis != j.s.began.Add(last.over).UnixMilli() && j.prompt:
			j.s.find("execution %s ended at %d, its last attempt at %d", id, f.FinishedAtMillis, j.s.began.Add(last.over).UnixMilli())
		case f.Status == "success" && now-last.over > core.TTL+2*j.sweep():
			j.s.find("execution %s succeeded at %v and is still found at %v", id, last.over, now)
		case f.Status == "error" && f.Error.Code == "POOL_ERROR" && last.status == http.StatusOK && !last.cut:
			j.s.find("execution %s is shown to have failed, and its last attempt has succeeded: %s", id, f.Error.Message)
		}
		for _, c := range e.calls {
			if c.waits() && c.result != f.Status && !j.gaveUp(c) {
				j.s.find("%s was told %s of execution %s, which is shown as %s", c.trace, c.result, id, f.Status)
			}
		}
	}
}

// gaveUp says that a caller has come to another one's execution by its key, and that its
// own time was over before the end of that.
func (j *judge) gaveUp(c *call) bool {
	limit := time.Duration(cmp.Or(c.load.TimeoutMillis, j.most[c.function].TimeoutMillis)) * time.Millisecond
	return c.result == "timeout" && j.joined(c) && c.answered-c.at >= limit
}

// sweep is the time between two sweeps, at most.
func (j *judge) sweep() time.Duration {
	if s := j.s.sc.Core.SweepInterval; s > 0 {
		return s
	}
	return time.Second
}

// expired: past all TTLs nothing is kept.
func (j *judge) expired() {
	core := &j.s.sc.Core
	time.Sleep(max(core.TTL, core.IdempotencyTTL, core.StaleTTL) + 3*j.sweep())
	var now stats
	j.s.get("/v1/admin/stats", &now)
	if now.StoredExecutions != 0 || now.StoredKeys != 0 || now.PayloadBytes != 0 || now.SyncQueueDepth != 0 {
		j.s.find("past all TTLs there are %d executions, %d keys, %d bytes of payload and %d in the sync queue", now.StoredExecutions, now.StoredKeys, now.PayloadBytes, now.SyncQueueDepth)
	}
	looked := 0
	for id, e := range j.executions {
		if len(e.calls) == 0 {
			continue
		}
		if _, ok := j.s.lookUp(id); ok {
			j.s.find("execution %s is found past its TTL", id)
		}
		if looked++; looked == 100 {
			break
		}
	}
}
