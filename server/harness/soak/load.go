package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// load sends jobs and enters what it is told into the ledger.
type load struct {
	c       *client
	l       *ledger
	fns     []*function
	follow  func(id string) // looks the execution up until it has ended
	serial  atomic.Int64
	sent    atomic.Int64 // jobs
	dropped atomic.Int64 // jobs not sent because too many were under way
	joined  atomic.Int64 // answers that named an execution of an earlier request
	wg      sync.WaitGroup
}

// open sends rate jobs a second, whatever becomes of them (open loop), until
// ctx ends. At most inFlight are under way.
func (g *load) open(ctx context.Context, rate float64, inFlight int, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	places := make(chan struct{}, inFlight)
	next := time.Now()
	for ctx.Err() == nil {
		next = next.Add(time.Duration(rng.ExpFloat64() / rate * float64(time.Second)))
		time.Sleep(time.Until(next))
		jobSeed := rng.Uint64()
		select {
		case places <- struct{}{}:
			g.wg.Go(func() {
				g.one(rand.New(rand.NewPCG(jobSeed, 2)))
				<-places
			})
		default:
			g.dropped.Add(1)
		}
	}
}

// one sends one job in one of the ways that clients have, and reports whether
// it was taken; one whose caller left at once counts as such.
func (g *load) one(rng *rand.Rand) (taken bool) {
	f := pick(g.fns, rng)
	j := f.ask(rng, g.serial.Add(1))
	g.sent.Add(1)
	action := ":invoke"
	if rng.IntN(100) < 40 {
		action = ":enqueue"
	}
	way := rng.IntN(100)
	switch {
	case f.name == "hangup":
		g.abandon(f, j, time.Duration(1+rng.IntN(30))*time.Millisecond)
		return true
	case way < 10:
		return g.twins(f, j, action, 2+rng.IntN(2))
	case way < 20:
		return g.impatient(f, j, action, time.Duration(rng.IntN(15_000))*time.Microsecond)
	case way < 23:
		return g.dribble(f, j, action)
	}
	id, _, _ := g.send(context.Background(), f, j, action, "", false)
	return id != ""
}

// crash sends a job that ends its process, and by its retry the next one too.
func (g *load) crash(rng *rand.Rand) {
	victims := slices.DeleteFunc(slices.Clone(g.fns), func(f *function) bool { return !f.killed })
	f := victims[rng.IntN(len(victims))]
	_, _, _ = g.send(context.Background(), f, job{N: g.serial.Add(1), Do: doCrash}, ":enqueue", "", false)
}

// send makes one request. The id is empty when the server promised nothing;
// the error is a transport's.
func (g *load) send(ctx context.Context, f *function, j job, action, key string, again bool) (id, refusal string, err error) {
	var headers []string
	if key != "" {
		headers = []string{"Idempotency-Key", key}
	}
	asked := time.Now()
	r, err := g.c.do(ctx, "POST", g.c.api+"/v1/functions/"+f.name+action, j.body(), headers...)
	if err != nil {
		if ctx.Err() == nil {
			g.l.violate("%s%s: no answer: %v", f.name, action, err)
		}
		return "", "", err
	}
	id, refusal = g.enter(f, j, action, r, asked, again)
	return id, refusal, nil
}

// enter books an answer.
func (g *load) enter(f *function, j job, action string, r reply, asked time.Time, again bool) (id, refusal string) {
	switch {
	case r.status == http.StatusOK && action == ":invoke", r.status == http.StatusAccepted && action == ":enqueue":
		var s seen
		if err := r.into(&s); err != nil {
			g.l.violate("%s%s: %v", f.name, action, err)
			return "", ""
		}
		if s.ID != r.header.Get("X-Execution-Id") {
			g.l.violate("%s%s: body says %q, header %q", f.name, action, s.ID, r.header.Get("X-Execution-Id"))
		}
		g.l.accept(f, j, s.ID, again)
		g.l.calledAs(s.ID, action)
		if action == ":invoke" && !s.terminal() {
			g.l.violate("%s:invoke answered with status %q", f.name, s.Status)
		}
		// A caller that joined gives up at its own deadline, which says nothing
		// about the execution.
		ended := !(again && s.Status == "timeout") && g.l.look(s, asked)
		if !ended || j.N%4 == 0 { // a part is looked at again after its end
			g.follow(s.ID)
		}
		return s.ID, ""
	case r.status == http.StatusTooManyRequests:
		code := r.code()
		g.l.refuse(code)
		if id := r.header.Get("X-Execution-Id"); id != "" { // QUEUE_WAIT: it had been accepted
			g.l.accept(f, j, id, again)
			g.follow(id)
			return id, code
		}
		return "", code
	case r.status == http.StatusNotFound && f.name == "churn":
		g.l.refuse("NOT_FOUND")
		return "", "NOT_FOUND"
	}
	g.l.violate("%s%s: status %d: %.300s", f.name, action, r.status, r.body)
	return "", ""
}

// twins sends the same request several times at once under one idempotency
// key: all must be told of the same execution.
func (g *load) twins(f *function, j job, action string, n int) (taken bool) {
	key := fmt.Sprintf("twins-%d", j.N)
	ids := make([]string, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { ids[i] = g.keyed(context.Background(), f, j, action, key) })
	}
	wg.Wait()
	return g.same(f, key, ids)
}

// keyed sends once under a key. An execution that was refused after a wait
// (QUEUE_WAIT) gives its key back: the next request may run.
func (g *load) keyed(ctx context.Context, f *function, j job, action, key string) (id string) {
	id, refusal, _ := g.send(ctx, f, j, action, key, true)
	if refusal != "" {
		return ""
	}
	return id
}

// impatient hangs up early and tries again under the same key until it has an
// answer: however often the request arrived, it is one execution.
func (g *load) impatient(f *function, j job, action string, patience time.Duration) (taken bool) {
	key := fmt.Sprintf("impatient-%d", j.N)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	first := g.keyed(ctx, f, j, action, key)
	cancel()
	if first == "" && action == ":invoke" {
		g.l.hungUp(f) // and where it was queued, its execution may have ended as CANCELLED
	}
	// The first request may still be on its way in, so a refusal settles
	// nothing: only an id does.
	for range 200 {
		id, refusal, err := g.send(context.Background(), f, j, action, key, true)
		if err != nil || id == "" && refusal == "" {
			return false // noted already
		}
		if refusal == "" {
			return g.same(f, key, []string{first, id})
		}
		time.Sleep(50 * time.Millisecond)
	}
	g.l.violate("%s: key %s was refused for 10 s", f.name, key)
	return false
}

// same checks that all ids but empty ones are one, and reports whether there
// is any.
func (g *load) same(f *function, key string, ids []string) bool {
	known := ""
	for _, id := range ids {
		switch {
		case id == "":
		case known == "":
			known = id
		case id != known:
			g.l.violate("%s: key %s led to %s and to %s", f.name, key, known, id)
		default:
			g.joined.Add(1)
		}
	}
	return known != ""
}

// abandon sends a request and hangs up before the answer. Nobody knows then
// whether it was accepted.
func (g *load) abandon(f *function, j job, after time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), after)
	defer cancel()
	_, _, _ = g.send(ctx, f, j, ":invoke", "", false)
}
