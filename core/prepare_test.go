package core

import "testing"

func prepared(b *bed, name string) (*Registration, error) {
	b.t.Helper()
	return b.Prepare(spec(b.t, name))
}

// A prepared function takes its name and a place among the functions, and nobody
// sees it.
func TestAPreparedFunctionIsNotSeen(t *testing.T) {
	d := newDurableBed(t, func(cfg *Config) { cfg.MaxFunctions = 1 })
	r, err := prepared(d.bed, "f")
	if err != nil {
		t.Fatal(err)
	}
	if r.LSN() == 0 || d.SettingsAt() != r.LSN() {
		t.Errorf("its fact is at %d, the newest at %d", r.LSN(), d.SettingsAt())
	}
	if d.Function("f") != nil || len(d.Functions()) != 0 {
		t.Error("it is seen")
	}
	_, err = d.Submit(&Request{Function: "f"})
	wantEqual(t, "a call", err, error(ErrNotFound))
	_, err = prepared(d.bed, "f")
	wantEqual(t, "the same name", err, error(ErrExists))
	_, err = prepared(d.bed, "g")
	wantEqual(t, "another name", err, error(ErrFunctionLimit))
	if fn := r.Publish(); d.Function("f") != fn || len(d.Functions()) != 1 {
		t.Error("it is not seen once it is published")
	}
	_, err = prepared(d.bed, "f")
	wantEqual(t, "the name after that", err, error(ErrExists))
}

// A restart finds what was prepared, unless it was discarded.
func TestARestartFindsWhatWasPrepared(t *testing.T) {
	for _, discard := range []bool{false, true} {
		d := newDurableBed(t, func(cfg *Config) { cfg.MaxFunctions = 1 })
		r, err := prepared(d.bed, "f")
		if err != nil {
			t.Fatal(err)
		}
		if discard {
			if gone := r.Discard(); gone <= r.LSN() || d.SettingsAt() != gone {
				t.Errorf("its end is at %d, after %d", gone, r.LSN())
			}
		}
		d.sync()
		d.restart(0, everybody)
		wantEqual(t, "found", d.Function("f") != nil, !discard)
		if discard {
			if left := d.journal.facts(t); len(left) != 0 {
				t.Errorf("facts are left of it: %v", d.kinds())
			}
			d.register("f") // its name and its place are free
		}
	}
}

// Draining starts nothing more of what the journal keeps: the next process goes
// on with it, in its order. What is in memory only, or waited for, is finished.
func TestDrainingLeavesDurableWorkToTheNextProcess(t *testing.T) {
	d := newDurableBed(t)
	d.register("f", slots(1))
	var durable []ID
	for range 3 {
		durable = append(durable, d.enqueue("f"))
	}
	memory := d.submit(Request{Function: "f", Durability: DurabilityMemory}).ID
	joined := d.submit(Request{Function: "f", IdempotencyKey: "k"}).ID
	last := d.enqueue("f")
	d.sync()
	w := &wakes{}
	d.submit(Request{Function: "f", IdempotencyKey: "k", Sync: true, Waiter: w})
	running := d.work.next(t)
	wantEqual(t, "running", running.ID, durable[0])

	d.Drain()
	running.Complete(failure("BOOM")) // it is tried again, by the next process
	d.sync()
	wantEqual(t, "dispatched", d.work.pending(), 1)
	d.wantLoad("f", 3, 1) // what is set aside is in no queue
	queued, inFlight := d.Unfinished()
	wantEqual(t, "queued", queued, 5)
	wantEqual(t, "in flight", inFlight, 1)
	wantEqual(t, "of them durable", d.UnfinishedDurable(), 5)
	d.wantStatus(durable[1], Queued)
	if at := d.state(durable[1]).RetryAtMillis; at != 0 {
		t.Errorf("shown to be tried again at %d", at)
	}
	finish := func(want ID) {
		t.Helper()
		d.sync()
		wantEqual(t, "dispatched", d.work.pending(), 1)
		task := d.work.next(t)
		wantEqual(t, "next", task.ID, want)
		task.Complete(success(`1`))
		d.sync()
	}
	finish(memory)
	finish(joined)
	wantEqual(t, "told of the end", len(w.got), 1)
	wantEqual(t, "dispatched after that", d.work.pending(), 0)
	d.wantLoad("f", 0, 0)

	d.restart(0, everybody)
	for _, id := range []ID{durable[1], durable[2], last, durable[0]} {
		finish(id)
	}
	queued, inFlight = d.Unfinished()
	wantEqual(t, "left", queued+inFlight, 0)
}

// What is set aside can still be cancelled, and ends with its function.
func TestWhatIsSetAsideCanEnd(t *testing.T) {
	d := newDurableBed(t)
	d.register("f", slots(1))
	ids := []ID{d.enqueue("f"), d.enqueue("f"), d.enqueue("f")}
	d.sync()
	d.Drain()
	d.work.next(t).Complete(success(`1`))
	d.sync()
	wantEqual(t, "dispatched while draining", d.work.pending(), 0)
	wantEqual(t, "set aside", d.Function("f").Pausing(), 2)
	if _, err := d.Cancel(ids[1]); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Delete("f"); err != nil {
		t.Fatal(err)
	}
	d.sync()
	for _, id := range ids[1:] {
		d.wantStatus(id, Error)
	}
	queued, inFlight := d.Unfinished()
	wantEqual(t, "left", queued+inFlight, 0)
	d.clock.advance(1 << 50)
}
