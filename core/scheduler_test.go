package core

import (
	"fmt"
	"slices"
	"testing"
)

// readyNames reads the ready list.
func readyNames(c *Core) []string {
	var names []string
	for i := range c.ready.len {
		names = append(names, c.ready.items[(c.ready.head+i)%len(c.ready.items)].name)
	}
	return names
}

// One budget unit is one tick, and a busy function waits behind all others
// between two of its ticks.
func TestSchedulerServesRoundRobinInSignalledOrder(t *testing.T) {
	b := newBed(t, unrecorded)
	for _, n := range []string{"x", "y", "z"} {
		b.register(n, slots(2), queueSize(50))
	}
	var first []Task
	for _, n := range []string{"x", "y", "z"} {
		for range 2 + 4 {
			b.enqueue(n)
		}
	}
	for b.work.pending() > 0 {
		first = append(first, b.work.next(t))
	}
	wantEqual(t, "running", len(first), 6)
	// Free all slots without the scheduler noticing, then signal in the order
	// y, z, x and serve by single ticks.
	for _, task := range first {
		fn := task.Function
		fn.mu.Lock()
		fn.releaseSlot(&effects{}, task.ex)
		fn.mu.Unlock()
	}
	for _, n := range []string{"y", "z", "x"} {
		fn := b.Function(n)
		for range 2 { // a second time does not list it twice
			fx := effects{fn: fn}
			fn.mu.Lock()
			fn.noteReady(&fx)
			fn.mu.Unlock()
			b.carryOut(&fx)
		}
	}
	if got := readyNames(b.Core); !slices.Equal(got, []string{"y", "z", "x"}) {
		t.Fatalf("ready: %v", got)
	}
	b.work.log = nil
	for range 6 {
		b.Pump(1)
	}
	var order []string
	for _, l := range b.work.dispatched() {
		order = append(order, l[:1])
	}
	if want := []string{"y", "z", "x", "y", "z", "x"}; !slices.Equal(order, want) {
		t.Fatalf("served %v, want %v", order, want)
	}
	wantEqual(t, "left over", b.Pump(1), false)
}

func TestSchedulerBlockedFunctionHoldsNobody(t *testing.T) {
	b := newBed(t)
	b.register("blocked", slots(1), queueSize(100))
	b.register("free", slots(1), queueSize(100))
	for range 50 {
		b.enqueue("blocked") // the first never answers
	}
	wantEqual(t, "ready list with only a blocked function", len(readyNames(b.Core)), 0)
	b.work.run = func(task Task) bool { return task.Function.Name() == "free" && echoTask(task) }
	for range 20 {
		id := b.enqueue("free")
		b.wantStatus(id, Success)
	}
	b.wantLoad("blocked", 49, 1)
}

func TestSchedulerTickWithoutTaskOrSlotDoesNothing(t *testing.T) {
	b := newBed(t)
	fn := b.register("f", slots(1))
	tick := func() { b.take(fn, &input{kind: StepTick, now: b.clock.Now()}) }
	tick() // no task
	b.enqueue("f")
	b.enqueue("f")
	tick() // no slot
	b.wantLoad("f", 1, 1)
	wantEqual(t, "dispatched", b.work.pending(), 1)
	wantEqual(t, "pump of an empty ready list", b.Pump(10), false)
}

// Twenty thousand instant tasks queued behind one that blocks are worked
// off in a loop: the stack of a Dispatch stays as shallow as the first's.
func TestSchedulerDeepInlineBacklogDoesNotRecurse(t *testing.T) {
	alone(t)
	b := newBed(t)
	b.register("f", slots(1), queueSize(MaxQueueSize))
	b.enqueue("f")
	head := b.work.next(t)
	for range 20_000 {
		b.enqueue("f")
	}
	b.work.log = nil
	depth, deepest, served := 0, 0, 0
	b.work.run = func(task Task) bool {
		depth++
		deepest = max(deepest, depth)
		served++
		echoTask(task)
		depth--
		return true
	}
	head.Complete(success(`1`))
	wantEqual(t, "served", served, 20_000)
	wantEqual(t, "deepest call", deepest, 1)
	b.wantLoad("f", 0, 0)
}

// The same through Core.Complete, which a handler may call as well.
func TestSchedulerInlineExternalCompletionDoesNotRecurse(t *testing.T) {
	b := newBed(t)
	b.register("f", slots(1), queueSize(MaxQueueSize))
	b.enqueue("f")
	head := b.work.next(t)
	for range 1000 {
		b.enqueue("f")
	}
	depth, deepest := 0, 0
	b.work.run = func(task Task) bool {
		depth++
		deepest = max(deepest, depth)
		if err := b.Complete(task.ID, 0, success(`1`)); err != nil {
			t.Error(err)
		}
		depth--
		return true
	}
	head.Complete(success(`1`))
	b.wantLoad("f", 0, 0)
	wantEqual(t, "deepest call", deepest, 1)
}

func TestSchedulerLeavesLongBacklogToItsOwner(t *testing.T) {
	told := 0
	b := newBed(t, func(cfg *Config) { cfg.OnBacklog = func() { told++ } })
	for i := range 3 {
		b.register(fmt.Sprint("f", i), slots(1), queueSize(1000))
	}
	b.enqueue("f0")
	head := b.work.next(t)
	for range 500 {
		b.enqueue("f0")
	}
	b.work.run = echoTask
	head.Complete(success(`1`))
	wantEqual(t, "ticks done by the completing call", len(b.work.dispatched()), 1+pumpBudget)
	wantEqual(t, "told of the backlog", told, 1)
	rounds := 0
	for b.Pump(100) {
		rounds++
	}
	wantEqual(t, "pump rounds with work left", rounds, 4)
	b.wantLoad("f0", 0, 0)
}

// Slots of a sync call that cannot start at once are found by its own kick.
func TestSchedulerOffSyncDrivesItsOwnFunction(t *testing.T) {
	b := newBed(t, func(cfg *Config) { cfg.SchedulerOff = true })
	b.register("f", slots(1))
	b.register("other")
	var async []ID
	for range 3 {
		async = append(async, b.enqueue("f"))
	}
	b.enqueue("other")
	b.wantLoad("f", 3, 0)
	b.work.run = echoTask
	id, w := b.invoke("f")
	wantEqual(t, "woken with", w.only(t).Status, Success)
	b.wantStatus(id, Success)
	for _, a := range async {
		b.wantStatus(a, Success) // FIFO: what was before the sync call had to go first
	}
	b.wantLoad("other", 1, 0)
	late := b.enqueue("f")
	b.wantStatus(late, Queued)
}

// A sync invocation that joins a queued execution by its key waits for it as
// one of its own would be waited for: it drives the queue.
func TestSchedulerOffSyncDrivesWhatItJoins(t *testing.T) {
	submit := func(b *bed, sync bool, w Waiter) Result {
		t.Helper()
		res, err := b.Submit(&Request{Function: "f", Sync: sync, IdempotencyKey: "k", Input: []byte(`1`), Waiter: w})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	b := newBed(t, manual)
	b.register("f", slots(1), retries(1))
	before := b.enqueue("f")
	id := submit(b, false, nil).ID
	after := b.enqueue("f")
	wantEqual(t, "an async join", submit(b, false, nil).ID, id)
	b.wantLoad("f", 3, 0) // drives nothing

	first, second := &wakes{}, &wakes{}
	if res := submit(b, true, first); res.ID != id || !res.Existing || !res.Waiting {
		t.Fatalf("joined %+v", res)
	}
	b.wantLoad("f", 2, 1)
	b.wantStatus(before, Running) // FIFO: what was before it goes first
	submit(b, true, second)
	b.work.next(t).Complete(success(`0`))
	b.wantStatus(id, Running)
	b.work.next(t).Complete(failure("BOOM")) // requeued at the tail, still waited for
	b.wantStatus(after, Running)
	b.work.next(t).Complete(success(`0`))
	b.work.next(t).Complete(success(`1`))
	wantEqual(t, "first woken with", first.only(t).Status, Success)
	wantEqual(t, "second woken with", second.only(t).Status, Success)
	late := b.enqueue("f")
	b.wantStatus(late, Queued) // nobody waits any more
}

// A joined caller that has left drives nothing.
func TestSchedulerOffJoinEndsWithItsCaller(t *testing.T) {
	b := newBed(t, manual)
	b.register("f", slots(1))
	b.enqueue("f")
	if _, err := b.DrainOnce("f", func() {}); err != nil { // the only slot
		t.Fatal(err)
	}
	w, stays := &wakes{}, &wakes{}
	r := &Request{Function: "f", IdempotencyKey: "k", Input: []byte(`1`)}
	res, err := b.Submit(r)
	wantEqual(t, "error", err, nil)
	r.Sync = true
	for _, r.Waiter = range []Waiter{w, stays} {
		if _, err := b.Submit(r); err != nil {
			t.Fatal(err)
		}
	}
	b.Forget(res.ID, w)
	b.Forget(res.ID, w) // once more changes nothing
	b.Forget(res.ID, stays)
	b.work.next(t).Complete(success(`1`))
	b.wantStatus(res.ID, Queued)
	b.wantLoad("f", 1, 0)
	if _, err := b.DrainOnce("f", func() {}); err != nil {
		t.Fatal(err)
	}
	b.work.next(t).Complete(success(`1`))
	b.wantStatus(res.ID, Success)
	wantEqual(t, "wakes", w.count()+stays.count(), 0)
}
