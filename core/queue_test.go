package core

import (
	"slices"
	"testing"
)

func TestQueueManagerOverflowIsRefusedAndLosesNothing(t *testing.T) {
	b := newBed(t)
	b.register("f", slots(1), queueSize(3))
	var ids []ID
	for range 4 { // one runs, three wait
		ids = append(ids, b.enqueue("f"))
	}
	b.wantLoad("f", 3, 1)
	before := b.Gauges()
	for _, sync := range []bool{false, true} {
		_, err := b.Submit(&Request{Function: "f", Sync: sync, Input: []byte(`1`)})
		wantEqual(t, "offer on full", err, error(ErrQueueFull))
	}
	wantEqual(t, "held after refusals", b.Gauges(), before)
	wantEqual(t, "rejections seen", len(b.seen.of(EventRejected)), 2)
	wantEqual(t, "code seen", b.seen.of(EventRejected)[0].Code, CodeQueueFull)
	for _, id := range ids {
		task := b.work.next(t)
		wantEqual(t, "FIFO", task.ID, id)
		task.Complete(success(`1`))
	}
	b.wantLoad("f", 0, 0)
}

func TestQueueManagerSlotsBoundWhatRuns(t *testing.T) {
	b := newBed(t)
	b.register("f", slots(3), queueSize(100))
	for range 10 {
		b.enqueue("f")
	}
	b.wantLoad("f", 7, 3)
	wantEqual(t, "dispatched", b.work.pending(), 3)
	task := b.work.next(t)
	task.Complete(success(`1`))
	b.wantLoad("f", 6, 3)
	task.Complete(success(`1`)) // a second answer must not free a second slot
	b.wantLoad("f", 6, 3)
	for b.work.pending() > 0 {
		b.work.next(t).Complete(success(`1`))
	}
	b.wantLoad("f", 0, 0)
}

func TestRingKeepsOrderThroughRemovals(t *testing.T) {
	var r ring
	exs := make([]*execution, 20)
	for i := range exs {
		exs[i] = &execution{id: idOf(uint64(i))}
		r.push(exs[i])
	}
	for _, i := range []int{0, 1, 19, 7, 8, 12} {
		r.remove(exs[i])
	}
	wantEqual(t, "live", r.live, 14)
	var got []byte
	for ex := r.pop(); ex != nil; ex = r.pop() {
		got = append(got, ex.id[15])
	}
	if want := []byte{2, 3, 4, 5, 6, 9, 10, 11, 13, 14, 15, 16, 17, 18}; !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// A queue whose middle is always removed must not grow: holes are reused.
func TestRingSqueezesHolesOut(t *testing.T) {
	var r ring
	first := &execution{}
	r.push(first)
	for range 10_000 {
		ex := &execution{}
		r.push(ex)
		r.remove(ex)
	}
	if len(r.buf) > 8 {
		t.Fatalf("%d places for 1 element", len(r.buf))
	}
	if r.pop() != first || r.live != 0 {
		t.Fatal("the head was lost")
	}
}
