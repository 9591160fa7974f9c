package core

import "testing"

// What has happened to an execution after the hand-over decides over the outcome that is
// told of the attempt from before.
func TestToldOutcomeOfWhatHasEndedMeanwhile(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(d *durableBed, id ID)
		told      Outcome
		status    Status
		code      string
	}{
		"cancelled":            {func(d *durableBed, id ID) { d.cancel(id) }, success(`"late"`), Error, CodeCancelled},
		"completed":            {func(d *durableBed, id ID) { d.completeBy(id, success(`"outside"`)) }, failure("BOOM"), Success, ""},
		"its function deleted": {func(d *durableBed, id ID) { d.retire() }, failure("BOOM"), Error, "BOOM"},
		"deleted, success":     {func(d *durableBed, id ID) { d.retire() }, success(`"done"`), Success, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDurableBed(t)
			d.register("f", slots(1), retries(3))
			id := d.enqueue("f")
			d.sync()
			d.work.next(t)
			d.handOver(0)
			c.meanwhile(d, id)
			d.sync()
			d.told(id, 1, c.told)
			d.sync()
			s := d.state(id)
			if s.Status != c.status || s.Attempt != 1 || (s.Err != nil) != (c.code != "") || s.Err != nil && s.Err.Code != c.code {
				t.Errorf("%+v", s)
			}
			wantEqual(t, "attempts begun here", d.work.pending(), 0)
			d.told(id, 1, c.told)
			d.sync()
			if again := d.state(id); again.Status != s.Status || again.FinishedAtMillis != s.FinishedAtMillis {
				t.Errorf("told twice: %+v", again)
			}
			// And the next owner after this one has the same.
			d.handOver(0)
			if next := d.state(id); next.Status != s.Status || string(next.Output) != string(s.Output) {
				t.Errorf("at the one after: %+v", next)
			}
		})
	}
}

func (d *durableBed) cancel(id ID) {
	d.t.Helper()
	if _, err := d.Cancel(id); err != nil {
		d.t.Fatal(err)
	}
}

func (d *durableBed) completeBy(id ID, o Outcome) {
	d.t.Helper()
	if err := d.Complete(id, 0, o); err != nil {
		d.t.Fatal(err)
	}
}

func (d *durableBed) retire() {
	d.t.Helper()
	deletion, err := d.Retire("f")
	if err != nil {
		d.t.Fatal(err)
	}
	for deletion.Next() {
	}
}
