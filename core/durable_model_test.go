package core

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A model of what facts come to, written without regard to Restorer: the facts
// that are durable are folded, and compared with what core shows after every
// action, and with all of its state after a restart.

type foldedExecution struct {
	function     string
	registration uint64
	status       Status
	attempt      int32
	tail         LSN // its place in the queue
	pausing      bool
	finished     int64
	code         string
	output       string
	key          string
}

func (e *foldedExecution) outcome() string {
	return fmt.Sprintf("%v %q %q", e.status, e.code, e.output)
}

type foldedState struct {
	functions  map[string]Fact // FactFunctionSet in force
	executions map[ID]*foldedExecution
	letters    map[string][]ID
}

func fold(facts []placed, now int64, letterTTL time.Duration) *foldedState {
	s := &foldedState{map[string]Fact{}, map[ID]*foldedExecution{}, map[string][]ID{}}
	inputs := map[ID]string{}
	for _, f := range facts {
		e := s.executions[f.ID]
		if e == nil && (f.Kind == FactStarted || f.Kind == FactRetried || f.Kind == FactRequeued || f.Kind == FactEnded) {
			continue // of one whose release was cut short
		}
		switch f.Kind {
		case FactFunctionSet:
			s.functions[f.Function] = f.Fact
		case FactFunctionGone:
			if s.functions[f.Function].Registration == f.Registration {
				delete(s.functions, f.Function)
			}
		case FactAccepted:
			s.executions[f.ID] = &foldedExecution{function: f.Function, registration: f.Registration, attempt: 1, tail: f.at, key: f.Key}
			inputs[f.ID] = string(f.Input)
			s.letters[f.Function] = slices.DeleteFunc(s.letters[f.Function], func(id ID) bool { return id == f.Letter })
		case FactStarted:
			e.status = Running
		case FactRetried:
			e.status, e.attempt, e.pausing, e.tail = Queued, f.Attempt, f.RetryAt != 0, f.at
		case FactRequeued:
			e.pausing, e.tail = false, f.at
		case FactEnded:
			e.status, e.pausing, e.finished, e.code, e.output = f.Status, false, f.Wall, f.Code, string(f.Output)
			if f.Echo {
				e.output = inputs[f.ID]
			}
			if f.Status != Success && !f.Unwanted && now-f.Wall <= int64(letterTTL) {
				s.letters[f.Function] = append(s.letters[f.Function], f.ID)
			}
		case FactPurged:
			s.letters[f.Function] = nil
		}
	}
	return s
}

// durableModel drives a durable core at random and keeps what nobody may see
// otherwise later.
type durableModel struct {
	t        *rapid.T
	d        *durableBed
	waiting  []acknowledgement // to be acknowledged once durable
	acked    map[ID]acknowledgement
	keys     map[string]ID // of acknowledged ones
	outcomes map[ID]string // terminal ones that were seen
	finished map[ID]int64
	made     map[ID]int // attempts that were dispatched, over all lives
	open     map[ID]Task
	letters  map[ID]bool // that were seen
	died     bool
}

type acknowledgement struct {
	id       ID
	lsn      LSN
	key      string
	function string
}

const modelRetries = 2

func newDurableModel(t *rapid.T) *durableModel {
	m := &durableModel{t: t, acked: map[ID]acknowledgement{}, keys: map[string]ID{}, outcomes: map[ID]string{}, finished: map[ID]int64{}, made: map[ID]int{}, open: map[ID]Task{}, letters: map[ID]bool{}}
	m.d = newDurableBed(t, func(c *Config) {
		c.TTL, c.CleanupTTL, c.StaleTTL, c.IdempotencyTTL = 20*time.Second, 10*time.Second, 200*time.Second, 15*time.Second
		c.DeadLetterTTL, c.MaxExecutions = 60*time.Second, 500
	})
	m.d.work.run = m.dispatched
	for _, name := range []string{"a", "b"} {
		m.d.register(name, m.shape()...)
	}
	m.d.sync()
	return m
}

func (m *durableModel) shape() []func(*SpecInput) {
	return []func(*SpecInput){
		slots(rapid.IntRange(1, 3).Draw(m.t, "slots")), queueSize(rapid.IntRange(1, 6).Draw(m.t, "queue")), retries(modelRetries), timeout(8 * time.Second),
		pausing(RetryBackoff{InitialMillis: rapid.SampledFrom([]int{0, 700}).Draw(m.t, "pause"), MaxMillis: 5000, Multiplier: 2}),
	}
}

// dispatched is called for each attempt.
func (m *durableModel) dispatched(task Task) bool {
	if task.Function.Spec().Name == "" || m.isMemory(task.ID) {
		m.open[task.ID] = task
		return true
	}
	if !slices.ContainsFunc(m.d.journal.facts(m.t), func(f placed) bool {
		return f.Kind == FactStarted && f.ID == task.ID && int(f.Attempt) == task.Attempt
	}) {
		m.t.Fatalf("attempt %d of %d is dispatched, and its start is not durable", task.Attempt, task.ID[15])
	}
	if _, ok := m.open[task.ID]; ok && !m.d.state(task.ID).Status.Terminal() && m.open[task.ID].Attempt == task.Attempt {
		m.t.Fatalf("attempt %d of %d is dispatched twice", task.Attempt, task.ID[15])
	}
	m.made[task.ID]++
	if m.made[task.ID] > modelRetries+1 {
		m.t.Fatalf("%d attempts of %d", m.made[task.ID], task.ID[15])
	}
	m.open[task.ID] = task
	return true
}

// isMemory says that the journal has nothing of an execution.
func (m *durableModel) isMemory(id ID) bool {
	ex := m.d.store.get(id)
	return ex != nil && !ex.durable()
}

func (m *durableModel) name() string {
	return rapid.SampledFrom([]string{"a", "b"}).Draw(m.t, "function")
}

func (m *durableModel) enqueue(t *rapid.T) {
	r := Request{Function: m.name(), Input: []byte(rapid.SampledFrom([]string{"1", "2"}).Draw(t, "input"))}
	r.IdempotencyKey = rapid.SampledFrom([]string{"", "", "x", "y"}).Draw(t, "key")
	r.Sync = rapid.IntRange(0, 4).Draw(t, "sync") == 0
	if rapid.IntRange(0, 5).Draw(t, "memory") == 0 {
		r.Durability = DurabilityMemory
	}
	res, err := m.d.Submit(&r)
	if err != nil {
		return
	}
	if res.LSN != 0 {
		key := ""
		if r.IdempotencyKey != "" {
			key = r.Function + "/" + r.IdempotencyKey
		}
		m.waiting = append(m.waiting, acknowledgement{res.ID, res.LSN, key, r.Function})
	}
}

func (m *durableModel) answer(t *rapid.T) {
	ids := slices.SortedFunc(maps.Keys(m.open), func(a, b ID) int { return int(a[15]) - int(b[15]) })
	if len(ids) == 0 {
		return
	}
	id := rapid.SampledFrom(ids).Draw(t, "task")
	task := m.open[id]
	delete(m.open, id)
	task.Complete(rapid.SampledFrom([]Outcome{
		success(`"out"`), {Status: Success, Output: task.Input}, failure("BOOM"), {Status: Error, Code: "NO", Permanent: true},
	}).Draw(t, "outcome"))
}

// some is one of the acknowledged ids.
func (m *durableModel) some(t *rapid.T) (ID, bool) {
	ids := slices.SortedFunc(maps.Keys(m.acked), func(a, b ID) int { return int(a[14])<<8 + int(a[15]) - int(b[14])<<8 - int(b[15]) })
	if len(ids) == 0 {
		return ID{}, false
	}
	return rapid.SampledFrom(ids).Draw(t, "id"), true
}

func (m *durableModel) restart(t *rapid.T) {
	m.waiting = nil // nobody was told
	m.open = map[ID]Task{}
	m.died = rapid.Bool().Draw(t, "died")
	before := m.d.clock.Now().Wall
	died := nobody
	if m.died {
		died = everybody
	}
	down := int64(rapid.SampledFrom([]time.Duration{0, time.Second, 9 * time.Second}).Draw(t, "down"))
	facts := m.d.journal.facts(t)
	m.d.restart(down, died)
	m.d.work.run = m.dispatched
	if !m.died {
		m.compareRestored(fold(facts, before+down, m.d.Config().DeadLetterTTL))
	}
}

// compareRestored compares all of a restored core with the fold.
func (m *durableModel) compareRestored(want *foldedState) {
	t := m.t
	wantList(t, "functions", functionNames(m.d.Core), slices.Sorted(maps.Keys(want.functions)))
	for name, f := range want.functions {
		fn := m.d.Function(name)
		if fn.registration != f.Registration || fn.Spec().Generation != f.Generation {
			t.Fatalf("%s: registration %d, generation %d; want %d and %d", name, fn.registration, fn.Spec().Generation, f.Registration, f.Generation)
		}
		var queue []int
		tails := map[int]LSN{}
		running, pausing := 0, 0
		for id, e := range want.executions {
			switch {
			case e.function != name || e.registration != f.Registration || e.status.Terminal():
			case e.status == Running:
				running++
			case e.pausing:
				pausing++
			default:
				queue = append(queue, int(id[15]))
				tails[int(id[15])] = e.tail
			}
		}
		slices.SortFunc(queue, func(a, b int) int { return int(tails[a]) - int(tails[b]) })
		got := m.d.queue(name)
		// With free slots what was queued first starts at once.
		if n := len(queue) - len(got); n < 0 || n > fn.EffectiveConcurrency() {
			t.Fatalf("%s: queue %v, want %v", name, got, queue)
		} else {
			wantList(t, name+": queue", got, queue[n:])
			wantEqual(t, name+": running", fn.InFlight(), running+n)
		}
		wantEqual(t, name+": pausing", fn.Pausing(), pausing)
	}
}

func functionNames(c *Core) (names []string) {
	for _, fn := range c.Functions() {
		names = append(names, fn.Name())
	}
	return names
}

// check compares what core shows with the fold of the durable facts.
func (m *durableModel) check(t *rapid.T) {
	d, now := m.d, m.d.clock.Now()
	reached := d.held.durable.Load()
	m.waiting = slices.DeleteFunc(m.waiting, func(a acknowledgement) bool {
		if uint64(a.lsn) > reached {
			return false
		}
		if first, ok := m.keys[a.key]; ok && a.key != "" && first != a.id && m.keyLives(a.key, first) {
			t.Fatalf("key %s led to %d and leads to %d", a.key, first[15], a.id[15])
		}
		m.acked[a.id], m.keys[a.key] = a, a.id
		return true
	})
	folded := fold(d.journal.facts(t), now.Wall, d.Config().DeadLetterTTL)
	for id, e := range folded.executions {
		s, ok := d.Execution(id)
		past := e.status.Terminal() && now.Wall-e.finished > int64(d.Config().TTL)
		switch {
		case !ok && past:
			m.finished[id], m.outcomes[id] = e.finished, e.outcome()
			continue
		case !ok:
			t.Fatalf("%d is in the journal as %v, and gone", id[15], e.status)
		case s.Status.Terminal() != e.status.Terminal():
			t.Fatalf("%d is %v, and %v in the journal", id[15], s.Status, e.status)
		case s.Attempt < e.attempt:
			t.Fatalf("%d is at attempt %d, in the journal at %d", id[15], s.Attempt, e.attempt)
		}
		if !s.Status.Terminal() {
			continue
		}
		if s.Status != e.status || !s.CleanedUp && string(s.Output) != e.output || !s.CleanedUp && s.Err != nil && s.Err.Code != e.code {
			t.Fatalf("%d: %+v; in the journal %s", id[15], s, e.outcome())
		}
		if seen, ok := m.outcomes[id]; ok && seen != e.outcome() {
			t.Fatalf("%d ended as %s, and now as %s", id[15], seen, e.outcome())
		}
		m.outcomes[id], m.finished[id] = e.outcome(), e.finished
	}
	for id := range m.acked {
		if _, ok := d.Execution(id); ok {
			if folded.executions[id] == nil {
				t.Fatalf("%d is shown, and its facts are released", id[15])
			}
			continue
		}
		if at, ended := m.finished[id]; !ended || now.Wall-at <= int64(d.Config().TTL) {
			t.Fatalf("acknowledged %d is missing (ended: %v)", id[15], ended)
		}
		delete(m.acked, id)
	}
	for _, name := range []string{"a", "b"} {
		ids, _ := d.DeadLetterIDs(name)
		ids = slices.DeleteFunc(ids, func(id ID) bool { // of memory work
			_, ok := m.outcomes[id]
			return !ok
		})
		wantList(t, "dead letters of "+name, numbers(ids...), numbers(folded.letters[name]...))
	}
	if d.store.used.bytes.Load() < 0 || d.store.used.count.Load() < int64(len(m.acked)) {
		t.Fatalf("%d bytes, %d stored, %d acknowledged", d.store.used.bytes.Load(), d.store.used.count.Load(), len(m.acked))
	}
}

// keyLives says that a key that led to an execution must still do so.
func (m *durableModel) keyLives(key string, id ID) bool {
	s, ok := m.d.Execution(id)
	return ok && m.d.clock.Now().Wall-s.CreatedAtMillis*int64(time.Millisecond) <= int64(m.d.Config().IdempotencyTTL)
}

// In any order of work, commits and crashes, what core shows is what its durable
// facts come to.
func TestTheDurableViewIsTheFoldOfTheDurableFacts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newDurableModel(t)
		t.Repeat(map[string]func(*rapid.T){
			"enqueue":  m.enqueue,
			"more":     m.enqueue,
			"answer":   m.answer,
			"sync":     func(t *rapid.T) { m.d.syncSome(rapid.IntRange(1, 4).Draw(t, "facts")) },
			"sync all": func(t *rapid.T) { m.d.sync() },
			"pass": func(t *rapid.T) {
				d := rapid.SampledFrom([]time.Duration{time.Millisecond, 700 * time.Millisecond, 4 * time.Second, 9 * time.Second, 21 * time.Second})
				m.d.clock.advance(d.Draw(t, "time"))
			},
			"complete": func(t *rapid.T) {
				if id, ok := m.some(t); ok {
					_ = m.d.Complete(id, 0, success(`"outside"`))
				}
			},
			"cancel": func(t *rapid.T) {
				if id, ok := m.some(t); ok {
					_, _ = m.d.Cancel(id)
				}
			},
			"redrive": func(t *rapid.T) {
				name := m.name()
				if ids, _ := m.d.DeadLetterIDs(name); len(ids) > 0 {
					if res, err := m.d.Redrive(name, rapid.SampledFrom(ids).Draw(t, "letter"), 0); err == nil && res.LSN != 0 {
						m.waiting = append(m.waiting, acknowledgement{id: res.ID, lsn: res.LSN, function: name})
						// Until it is durable the letter is in the journal, and core shows it no more.
						m.d.sync()
					}
				}
			},
			"purge": func(t *rapid.T) {
				if _, err := m.d.PurgeDeadLetters(m.name()); err == nil {
					m.d.sync()
				}
			},
			"update": func(t *rapid.T) { _, _ = m.d.Update(spec(t, m.name(), m.shape()...), 0) },
			"delete and create": func(t *rapid.T) {
				name := m.name()
				_, _ = m.d.Delete(name)
				if rapid.Bool().Draw(t, "crash between") {
					m.restart(t)
				}
				_, _ = m.d.Register(spec(t, name, m.shape()...))
			},
			"restart": m.restart,
			"":        m.check,
		})
	})
}
