package core

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
)

// memJournal is a Journal in memory. What is appended and released becomes
// durable when the test says so, in the order of the calls; a crash loses the
// rest.
type memJournal struct {
	mu      sync.Mutex
	ops     []journalOp // all, in order
	durable int         // so many of them
	last    LSN
	full    bool
	gone    bool
}

type journalOp struct {
	partition Partition
	at        LSN
	stored    []byte // nil: the fact at this place is released
}

func (j *memJournal) Append(p Partition, f *Fact) LSN {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last++
	if j.gone {
		return j.last
	}
	j.ops = append(j.ops, journalOp{p, j.last, f.AppendTo(nil)})
	return j.last
}

func (j *memJournal) Release(p Partition, l LSN) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.gone {
		return
	}
	j.ops = append(j.ops, journalOp{partition: p, at: l})
}

func (j *memJournal) Room() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return !j.full
}

func (j *memJournal) Gone() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.gone
}

// leave ends the journal here, with all that is durable, and returns it as the next
// process has it.
func (j *memJournal) leave() *memJournal {
	next := j.crash()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.gone = true
	return next
}

func (j *memJournal) Durable() LSN {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.reach()
}

// reach is the place of the last fact among the durable operations.
func (j *memJournal) reach() (l LSN) {
	for _, op := range j.ops[:j.durable] {
		if op.stored != nil {
			l = op.at
		}
	}
	return l
}

// pending is the number of operations that are not durable.
func (j *memJournal) pending() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.ops) - j.durable
}

// sync makes at most n more operations durable and returns how far facts are.
func (j *memJournal) sync(n int) LSN {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.durable = min(j.durable+n, len(j.ops))
	return j.reach()
}

// crash loses what is not durable.
func (j *memJournal) crash() *memJournal {
	j.mu.Lock()
	defer j.mu.Unlock()
	return &memJournal{ops: slices.Clone(j.ops[:j.durable]), durable: j.durable, last: j.reach(), full: j.full}
}

// placed is a fact with its place.
type placed struct {
	at LSN
	Fact
}

// facts are those that are durable and not released, in order.
func (j *memJournal) facts(t checker) (list []placed) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	there := map[LSN][]byte{}
	var order []LSN
	for _, op := range j.ops[:j.durable] {
		switch {
		case op.stored != nil:
			there[op.at] = op.stored
			order = append(order, op.at)
		case there[op.at] == nil:
			t.Fatalf("fact %d is released, and there is none", op.at)
		default:
			delete(there, op.at)
		}
	}
	for _, at := range order {
		if stored := there[at]; stored != nil {
			f, err := DecodeFact(stored)
			if err != nil {
				t.Fatal(err)
			}
			if PartitionOf(f.Function) != journalPartition(j.ops, at) && f.Kind != FactConfig {
				t.Fatalf("fact %d of %q is in partition %d", at, f.Function, journalPartition(j.ops, at))
			}
			list = append(list, placed{at, f})
		}
	}
	return list
}

func journalPartition(ops []journalOp, at LSN) Partition {
	for _, op := range ops {
		if op.at == at {
			return op.partition
		}
	}
	return 0
}

// jsonSpecs stores specs as JSON.
type jsonSpecs struct{}

func (jsonSpecs) EncodeSpec(s *Spec) ([]byte, error) { return json.Marshal(s) }

func (jsonSpecs) DecodeSpec(b []byte) (*Spec, error) {
	var s Spec
	err := json.Unmarshal(b, &s)
	return &s, err
}

// durableBed is a bed with a journal.
type durableBed struct {
	*bed
	journal *memJournal
	change  []func(*Config)
}

func newDurableBed(t checker, change ...func(*Config)) *durableBed {
	t.Helper()
	j := &memJournal{}
	d := &durableBed{journal: j, change: change}
	d.bed = newBed(t, append(slices.Clone(change), d.withJournal)...)
	d.restore(nil)
	return d
}

func (d *durableBed) withJournal(cfg *Config) { cfg.Journal, cfg.Specs = d.journal, jsonSpecs{} }

// sync makes all durable and tells core.
func (d *durableBed) sync() { d.syncSome(1 << 30) }

// syncSome makes n more operations durable and tells core.
func (d *durableBed) syncSome(n int) { d.JournalAdvanced(d.journal.sync(n)) }

// restart crashes and restores a new core from what was durable; down passes in
// between. Ids go on, so that they do not repeat.
func (d *durableBed) restart(down int64, died func(*Spec) bool) {
	d.t.Helper()
	before := d.bed
	ids := before.ids
	d.journal = d.journal.crash()
	d.bed = newBed(d.t, append(slices.Clone(d.change), d.withJournal)...)
	d.bed.ids = ids
	now := before.clock.Now()
	d.bed.clock.wall = now.Wall + down // elapsed time begins anew
	d.restore(died)
}

func (d *durableBed) restore(died func(*Spec) bool) {
	d.t.Helper()
	r := d.Core.Restore()
	for _, f := range d.journal.facts(d.t) {
		if err := r.Apply(f.at, &f.Fact); err != nil {
			d.t.Fatal(err)
		}
	}
	if err := r.Done(d.bed.clock.Now(), died); err != nil {
		d.t.Fatal(err)
	}
}

func nobody(*Spec) bool    { return false }
func everybody(*Spec) bool { return true }

// submit submits a request that must be accepted.
func (d *durableBed) submit(r Request) Result {
	d.t.Helper()
	if r.Input == nil {
		r.Input = []byte(`{"n":1}`)
	}
	res, err := d.Submit(&r)
	if err != nil {
		d.t.Fatalf("submit: %v", err)
	}
	return res
}

// kinds are the kinds of the facts that are durable.
func (d *durableBed) kinds() (list []string) {
	for _, f := range d.journal.facts(d.t) {
		list = append(list, f.Kind.String())
	}
	return list
}

func wantList[T any](t checker, what string, got, want []T) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}
