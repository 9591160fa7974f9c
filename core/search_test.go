package core

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// submitted is what a test knows of an execution without asking core.
type submitted struct {
	id       ID
	function string
}

// wants reports whether q describes an execution, judged from its snapshot.
func wants(q *Search, e submitted, s Snapshot) bool {
	code := ""
	if s.Err != nil {
		code = s.Err.Code
	}
	return (q.Function == "" || q.Function == e.function) && (q.Key == "" || q.Key == s.Idempotency) &&
		(q.Statuses == 0 || q.Statuses&(1<<s.Status) != 0) && (q.Code == "" || q.Code == code) &&
		(q.Since == 0 || s.CreatedAtMillis >= q.Since) && (q.Before == 0 || s.CreatedAtMillis < q.Before)
}

// Pages joined are the whole, newest first, each execution once, whatever is
// submitted, ends, is evicted or deleted between them, with a wall clock that
// is set to and fro as well.
func TestSearchPagesAreTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := []string{"a", "b", "c"}
		b := newBed(t, func(cfg *Config) {
			cfg.Shards = rapid.SampledFrom([]int{1, 2, 64}).Draw(t, "shards")
			cfg.TTL, cfg.CleanupTTL, cfg.StaleTTL = 5*time.Second, 2*time.Second, time.Hour
		})
		big := func(in *SpecInput) { in.QueueSize = ptr(MaxQueueSize) }
		for _, name := range names {
			b.register(name, big, slots(1000), retries(0))
		}
		b.work.run = func(task Task) bool {
			switch task.Input[0] {
			case 'e':
				task.Complete(Outcome{Status: Error, Code: "BOOM"})
			case 'o':
				task.Complete(Outcome{Status: Error, Code: "OTHER"})
			case 't':
				task.Complete(Outcome{Status: Timeout})
			case 'r': // goes on
				return false
			default:
				task.Complete(success("1"))
			}
			return true
		}
		var all []submitted
		change := func() {
			switch rapid.SampledFrom([]string{"submit", "submit", "pass", "jump", "sweep", "complete", "again"}).Draw(t, "change") {
			case "submit":
				kinds := rapid.SampledFrom([]string{"s", "e", "seotr"}).Draw(t, "kinds")
				key := rapid.SampledFrom([]string{"", "", "k1", "k2"}).Draw(t, "key")
				step := rapid.SampledFrom([]time.Duration{0, 1, time.Millisecond}).Draw(t, "step")
				for i := range rapid.SampledFrom([]int{1, 10, 700}).Draw(t, "n") {
					name := names[(len(all)+i)%len(names)]
					r := Request{Function: name, Input: []byte{kinds[i%len(kinds)]}}
					if key != "" {
						r.IdempotencyKey = fmt.Sprint(key)
					}
					res, err := b.Submit(&r)
					if err != nil && err != ErrKeyReused {
						t.Fatal(err)
					}
					if err == nil && !res.Existing {
						all = append(all, submitted{res.ID, name})
					}
					b.clock.advance(step)
				}
			case "pass":
				b.clock.advance(rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, 3 * time.Second}).Draw(t, "time"))
			case "jump":
				b.clock.jump(rapid.SampledFrom([]time.Duration{-time.Second, -time.Millisecond, time.Millisecond, 6 * time.Second}).Draw(t, "jump"))
			case "sweep":
				b.Sweep()
			case "complete":
				if b.work.pending() > 0 {
					b.work.next(t).Complete(Outcome{Status: Error, Code: "BOOM"})
				}
			case "again":
				if _, err := b.Delete("c"); err != nil {
					t.Fatal(err)
				}
				b.register("c", big, slots(1000), retries(0))
			}
		}
		for range rapid.IntRange(1, 6).Draw(t, "changes") {
			change()
		}
		errors := Statuses(0).With(Error)
		q := rapid.SampledFrom([]Search{
			{}, {}, {Function: "a"}, {Function: "c"}, {Function: "none"}, {Statuses: errors}, {Statuses: errors.With(Timeout)},
			{Statuses: Statuses(0).With(Success)}, {Statuses: Statuses(0).With(Running)}, {Statuses: errors, Function: "b"}, {Code: "BOOM"},
			{Key: "k1"}, {Key: "k1", Function: "a"}, {Since: epoch/1e6 + 1}, {Since: epoch/1e6 + 1500}, {Before: epoch/1e6 + 700}, {Since: epoch/1e6 + 1, Before: epoch/1e6 + 3000, Code: "OTHER"},
		}).Draw(t, "search")
		q.Limit = rapid.SampledFrom([]int{1, 7, 100, 1000}).Draw(t, "limit")
		budget := rapid.SampledFrom([]int{1, 50, searchBudget}).Draw(t, "budget")
		always, ever := map[ID]bool{}, map[ID]bool{}
		note := func() {
			for _, e := range all {
				s, kept := b.Execution(e.id)
				match := kept && wants(&q, e, s)
				if before, known := always[e.id]; known {
					always[e.id] = before && match
				} else {
					always[e.id] = match && q.After == (Position{})
				}
				ever[e.id] = ever[e.id] || match
			}
		}
		note()
		var last Position
		seen := map[ID]bool{}
		for pages := 0; ; pages++ {
			p := searchWithin([]*Core{b.Core}, &q, budget)
			if len(p.Executions) > q.Limit {
				t.Fatalf("%d on a page of %d", len(p.Executions), q.Limit)
			}
			for _, f := range p.Executions {
				if seen[f.ID] || !ever[f.ID] {
					t.Fatalf("%v comes twice (%v), or does not match (%v)", f.ID, seen[f.ID], !ever[f.ID])
				}
				if last != (Position{}) && !f.Position.older(last) {
					t.Fatalf("%v after %v is not in order", f.Position, last)
				}
				seen[f.ID], last = true, f.Position
			}
			if !p.More {
				break
			}
			if q.After != (Position{}) && !p.Next.older(q.After) {
				t.Fatalf("a page leads from %v to %v", q.After, p.Next)
			}
			q.After = p.Next
			if pages%7 == 0 && pages < 50 {
				change()
				note()
			}
		}
		for id, stays := range always {
			if stays && !seen[id] {
				t.Fatalf("%v was kept and matched throughout, and was missed", id)
			}
		}
	})
}

// The newest 256 of a function are not all there is, and a rare failure among
// many good calls is found.
func TestSearchFindsAFailureLongAgo(t *testing.T) {
	b := newBed(t)
	b.register("f", retries(0))
	b.work.run = failTask
	failed := b.enqueue("f")
	b.work.run = echoTask
	for range 3000 {
		b.enqueue("f")
	}
	for _, q := range []Search{{Statuses: Statuses(0).With(Error)}, {Code: "BOOM"}, {Function: "f", Code: "BOOM", Statuses: Statuses(0).With(Error)}} {
		q.Limit = 10
		p := searchWithin([]*Core{b.Core}, &q, 500) // the good calls are passed by without a look
		if len(p.Executions) != 1 || p.More || p.Executions[0].ID != failed {
			t.Errorf("%+v: %d found, more %v", q, len(p.Executions), p.More)
		}
	}
	if p := b.Search(&Search{Limit: 4000}); len(p.Executions) != 3001 || p.More {
		t.Errorf("%d found, more %v", len(p.Executions), p.More)
	}
}

// What stays is found once, and only once, while all cores submit, end and
// evict others.
func TestSearchWhileOthersChange(t *testing.T) {
	clock := newRealClock()
	c, err := New(Config{Shards: 4, TTL: 10 * time.Millisecond, CleanupTTL: 5 * time.Millisecond, MaxExecutions: 1_000_000}, clock, randomIDs{}, dispatchFunc(func(task Task) {
		switch task.Input[0] {
		case 'e':
			task.Complete(Outcome{Status: Error, Code: "BOOM"})
		case 's':
			task.Complete(success(`1`))
		}
	}), nil)
	if err != nil {
		t.Fatal(err)
	}
	many := func(in *SpecInput) { in.Concurrency, in.QueueSize = ptr(MaxConcurrency), ptr(MaxQueueSize) }
	for _, name := range []string{"stays", "goes"} {
		if _, err := c.Register(spec(t, name, many, retries(0))); err != nil {
			t.Fatal(err)
		}
	}
	submit := func(name string, kind byte) ID {
		res, err := c.Submit(&Request{Function: name, Input: []byte{kind}})
		if err != nil {
			t.Error(err)
		}
		return res.ID
	}
	var stop atomic.Bool
	var others sync.WaitGroup
	for range 4 {
		others.Go(func() {
			for !stop.Load() {
				submit("goes", "se"[rand.IntN(2)])
			}
		})
	}
	others.Go(func() {
		for !stop.Load() {
			c.Sweep()
			runtime.Gosched()
		}
	})
	stays := map[ID]int{}
	var mu sync.Mutex
	var writers sync.WaitGroup
	for range 2 {
		writers.Go(func() {
			for range 1500 {
				id := submit("stays", 'r')
				mu.Lock()
				stays[id] = 0
				mu.Unlock()
			}
		})
	}
	writers.Wait()
	for i, q := range []Search{{Limit: 37}, {Function: "stays", Limit: 5}, {Statuses: Statuses(0).With(Running), Limit: 1000}, {Limit: 1000, Since: 1}} {
		for {
			p := c.Search(&q)
			if !slices.IsSortedFunc(p.Executions, func(a, b *Found) int {
				if a.Position.older(b.Position) {
					return 1
				}
				return -1
			}) {
				t.Fatal("not newest first")
			}
			for _, f := range p.Executions {
				if n, known := stays[f.ID]; known && n != i {
					t.Fatalf("search %d met %v %d times", i, f.ID, n+1-i)
				} else if known {
					stays[f.ID]++
				}
			}
			if q.After = p.Next; !p.More {
				break
			}
		}
		for id, n := range stays {
			if n != i+1 {
				t.Fatalf("search %d missed %v", i, id)
			}
		}
	}
	stop.Store(true)
	others.Wait()
}

// BenchmarkSearch searches a million executions of 10,000 functions, one in a
// thousand of which has failed.
func BenchmarkSearch(b *testing.B) {
	const n, functions = 1_000_000, 10_000
	cfg := DefaultConfig()
	cfg.RateMaxPerSecond = 0
	c, err := New(cfg, newRealClock(), randomIDs{}, dispatchFunc(func(task Task) {
		if task.Input[0] == 'e' {
			task.Complete(Outcome{Status: Error, Code: "BOOM"})
			return
		}
		task.Complete(success(`1`))
	}), nil)
	if err != nil {
		b.Fatal(err)
	}
	names := make([]string, functions)
	for i := range names {
		names[i] = fmt.Sprintf("f%04d", i)
		if _, err := c.Register(spec(b, names[i], retries(0))); err != nil {
			b.Fatal(err)
		}
	}
	for i := range n {
		kind := byte('s')
		if i%1000 == 500 {
			kind = 'e'
		}
		if _, err := c.Submit(&Request{Function: names[i%functions], Input: []byte{kind}}); err != nil {
			b.Fatal(err)
		}
	}
	middle := Position{Created: c.Search(&Search{Limit: 1}).Executions[0].Position.Created - int64(500*time.Millisecond)}
	for _, tc := range []struct {
		name string
		q    Search
	}{
		{"newest", Search{}}, {"page of 1000", Search{Limit: 1000}}, {"deep page", Search{After: middle}},
		{"failed", Search{Statuses: Statuses(0).With(Error)}}, {"one function", Search{Function: "f0001"}},
		{"running, none", Search{Statuses: Statuses(0).With(Running)}}, {"key, none", Search{Key: "k"}},
		{"all pages", Search{Limit: 1000}},
	} {
		b.Run(tc.name, func(b *testing.B) {
			b.ReportAllocs()
			found, pages := 0, 0
			for b.Loop() {
				q := tc.q
				q.Limit = max(q.Limit, 100)
				for {
					p := c.Search(&q)
					found += len(p.Executions)
					pages++
					if q.After = p.Next; !p.More || len(p.Executions) > 0 && tc.name != "all pages" {
						break
					}
				}
			}
			b.ReportMetric(float64(found)/float64(b.N), "found")
			b.ReportMetric(float64(pages)/float64(b.N), "pages")
		})
	}
}

// taggedIDs are ids of which none is another core's.
type taggedIDs struct {
	seqIDs
	tag byte
}

func (ids *taggedIDs) NewID() ID {
	id := ids.seqIDs.NewID()
	id[0] = ids.tag
	return id
}

// Several cores are searched as if they were one, whatever page ends where.
func TestSearchOfSeveralCoresIsOne(t *testing.T) {
	clock := newTestClock()
	var cores []*Core
	var all []ID
	for i := range 3 {
		cfg := DefaultConfig()
		cfg.RateMaxPerSecond, cfg.Shards = 0, 1
		c, err := New(cfg, clock, &taggedIDs{tag: byte(i)}, &script{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Register(spec(t, fmt.Sprint("f", i), slots(1000))); err != nil {
			t.Fatal(err)
		}
		cores = append(cores, c)
	}
	for i := range 500 {
		clock.advance(time.Duration(i % 3)) // some at once
		name := i * i % 3
		res, err := cores[name].Submit(&Request{Function: fmt.Sprint("f", name), Input: []byte("1")})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, res.ID)
	}
	for _, limit := range []int{1, 7, 499, 500, 1000} {
		q := Search{Limit: limit}
		found := map[ID]bool{}
		var last Position
		for more := true; more; {
			p := SearchAll(cores, &q)
			for _, f := range p.Executions {
				if last != (Position{}) && !f.Position.older(last) || found[f.ID] {
					t.Fatalf("limit %d: %v after %v", limit, f.Position, last)
				}
				found[f.ID], last = true, f.Position
			}
			more, q.After = p.More, p.Next
		}
		if len(found) != len(all) {
			t.Errorf("limit %d: found %d of %d", limit, len(found), len(all))
		}
	}
	if p := SearchAll(nil, &Search{Limit: 1}); len(p.Executions) != 0 || p.More {
		t.Errorf("of no core: %+v", p)
	}
}
