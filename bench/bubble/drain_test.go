package bubble

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"simplane/server"
	"simplane/server/harness/memnet"
)

// term has the server stop, as by SIGTERM, at a time of the scenario. The channel gets
// what Serve returned, and when that was.
func (s *stage) term(at time.Duration) <-chan stopped {
	over := make(chan stopped, 1)
	stop, served, process := s.stop, s.served, s.process
	go func() {
		s.until(at)
		stop()
		err := <-served
		process.end()
		over <- stopped{err, s.now()}
	}()
	return over
}

type stopped struct {
	err error
	at  time.Duration
}

// gone ends what is left in the bubble when the server has stopped by itself.
func (s *stage) gone() {
	s.client.CloseIdleConnections()
	s.functions.close()
	time.Sleep(time.Minute)
}

// TestDrain: a server that is told to stop in the midst of load, with faults of
// connections, ends all that it has accepted before it stops. Who waits is answered, and
// whoever comes later is refused, and never runs.
func TestDrain(t *testing.T) {
	for seed := uint64(1); seed <= faultSeeds(); seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s, r := faultyStage(t, seed)
				defer s.report()
				at := time.Second + upTo(r, 4*time.Second)
				over := s.term(at)
				s.driveFaulty(r)
				stop := <-over
				s.gone()
				if stop.err != nil {
					s.find("the server stopped with %v", stop.err)
				}
				for _, c := range s.calls {
					if c.lost != nil && (c.sent == 0 || c.sent+longestTrip >= at) {
						c.left = true // there may be nobody to answer: idle connections are closed
					}
				}
				j := newJudge(s)
				j.cuts = true
				j.all()
				j.drained(at, stop.at)
				s.replay()
			})
		})
	}
}

// longestTrip is what a piece of a faulty stage's network takes at most: a quarter more than
// the longest delay.
const longestTrip = longestDelay * 5 / 4

// drained: by the time that the server has stopped all that was accepted has ended, and
// nothing that came after the signal was accepted.
func (j *judge) drained(at, stopped time.Duration) {
	before, late := 0, 0
	for _, c := range j.s.calls {
		switch {
		case c.at < at && c.acknowledged():
			before++
			if e := j.executions[c.id]; !c.waits() && !j.ended(e) {
				j.s.find("%s was acknowledged at %v, and execution %s has %d attempts and no end when the server has stopped", c.trace, c.answered, e.id, len(e.attempts))
			}
		case c.at >= at && c.answered > at && c.status != 0:
			late++
			if c.status != http.StatusServiceUnavailable && !j.joined(c) {
				j.s.find("%s came at %v, after the signal at %v, and is answered %d %s", c.trace, c.at, at, c.status, c.code)
			}
		}
	}
	if before == 0 || late == 0 {
		j.s.find("%d calls were acknowledged before the signal, %d answered after it", before, late)
	}
	for _, a := range j.s.functions.seen() {
		if a.received > stopped {
			j.s.find("attempt %d of execution %s comes at %v; the server has stopped at %v", a.number, a.id, a.received, stopped)
		}
		if c := j.calls[a.trace]; c != nil && c.at >= at {
			j.s.find("%s came at %v, after the signal at %v, and ran at %v", c.trace, c.at, at, a.received)
		}
	}
}

// ended says that an execution's last attempt has ended it, by its function's own view.
func (j *judge) ended(e *execution) bool {
	last := e.last()
	switch {
	case last == nil || last.running:
		return false
	case j.givenUp(last):
		return true // and nothing is tried again after a timeout
	case last.cut:
		return last.number == j.most[last.function].MaxRetries+1
	}
	return last.status == http.StatusOK || last.status == http.StatusUnprocessableEntity || last.broken || last.number == j.most[last.function].MaxRetries+1
}

// givenUp says that the server has closed an attempt's connection before it had all of
// the answer.
func (j *judge) givenUp(a *attempt) bool {
	return j.s.heldUntil(a) < a.over || j.lastOn[a.conn] == a && a.conn.Missed()
}

// TestDrainWithoutTime: a server that may not wait for what it has accepted says how much
// it leaves behind.
func TestDrainWithoutTime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s, _ := faultyStage(t, 1, func(c *server.Config) { c.ShutdownGrace = 10 * time.Millisecond })
		defer s.report()
		s.functions.cutting = nil
		over := s.term(3 * time.Second)
		s.drive()
		stop := <-over
		s.gone()
		left := 0
		for _, e := range newJudge(s).executions {
			for _, c := range e.calls {
				if !c.waits() && c.at < 3*time.Second && (e.last() == nil || e.last().over >= stop.at) {
					left++
				}
			}
		}
		if stop.err == nil || !strings.Contains(stop.err.Error(), "stopped with") || left == 0 {
			s.find("%d acknowledged executions had not ended, and the server says %v", left, stop.err)
		}
	})
}

// TestDrainWaitsForPauses: work that pauses before its next attempt is waited for, although
// nothing runs and nothing is due when the server is told to stop.
func TestDrainWaitsForPauses(t *testing.T) {
	sc := parsed(t, `
name: pauses
duration: 2s
core: {rateMaxPerSecond: 0}
functions:
  - {name: fails, maxRetries: 1, retryBackoff: {initialMs: 3000, jitter: 0}, behavior: {latency: 10ms, failureRate: 1}}
load:
  - {function: fails, arrivals: {process: times, times: [1s]}}
`)
	inBubble(t, func(t *testing.T) {
		s := newStage(t, sc, memnet.Options{})
		defer s.report()
		over := s.term(2 * time.Second)
		s.drive()
		stop := <-over
		s.gone()
		if attempts := s.functions.seen(); stop.err != nil || len(attempts) != 2 || attempts[1].received > stop.at {
			s.find("the server stopped at %v with %v, after %d attempts of 2", stop.at, stop.err, len(attempts))
		}
		newJudge(s).all()
	})
}

// TestRestart: a server with a data directory stops in the midst of load, without time
// to end what it has accepted, and another one goes on with it: no acknowledged work is
// lost, none runs more often than its retries allow, and each key leads to one execution.
func TestRestart(t *testing.T) {
	kept := 0
	for seed := uint64(1); seed <= (faultSeeds()+3)/4; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				dir := t.TempDir()
				durable := func(c *server.Config) {
					c.DataDir, c.Record, c.ShutdownGrace = dir, "", 10*time.Millisecond
				}
				s, r := faultyStage(t, seed, durable)
				defer s.report()
				at := 2*time.Second + upTo(r, 2*time.Second)
				over, again := s.term(at), make(chan time.Duration, 1)
				go func() {
					stop := <-over
					if stop.err != nil && !strings.Contains(stop.err.Error(), "stopped with") {
						s.find("the server stopped with %v", stop.err)
					}
					cfg := settings(s.sc, "")
					durable(&cfg)
					cfg.ShutdownGrace = time.Hour
					s.start(cfg)
					again <- s.now()
				}()
				s.driveFaulty(r)
				restarted := <-again
				s.quiet()
				for _, c := range s.calls {
					if c.lost != nil && c.at < restarted && c.answered >= at {
						c.left = true // there was nobody to answer
					}
				}
				j := newJudge(s)
				j.cuts, j.restarted = true, restarted
				j.all()
				kept += j.survived()
				j.expired()
				s.leave()
			})
		})
	}
	if t.Logf("%d executions went on after a restart", kept); kept == 0 {
		t.Error("nothing went on after any restart")
	}
}

// survived: what was enqueued and acknowledged is found, and has ended. It returns how
// many executions were acknowledged by the first process and ended by the second.
func (j *judge) survived() int {
	kept := 0
	for id, e := range j.executions {
		for _, c := range e.calls {
			if c.waits() || c.at-c.answered > j.s.sc.Core.TTL {
				continue
			}
			f, ok := j.s.lookUp(id)
			switch {
			case !ok:
				j.s.find("%s was acknowledged at %v, and execution %s is not found", c.trace, c.answered, id)
			case f.Status == "queued" || f.Status == "running":
				j.s.find("execution %s is %s when all has ended", id, f.Status)
			case f.Status == "success" && (e.last() == nil || e.last().status != http.StatusOK):
				j.s.find("execution %s is shown to have succeeded, and its last attempt has not", id)
			}
			if e.calls[0].answered < j.restarted && e.last() != nil && e.last().received > j.restarted {
				kept++
			}
			break
		}
	}
	return kept
}
