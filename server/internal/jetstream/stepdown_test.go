package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"simplane/core/cluster"
)

// A server that is to end has others lead the streams. Writes go on meanwhile, and each
// is stored once.
func TestStepDown(t *testing.T) {
	s, stream := cluster3(t), name(t)
	engines := []*Engine{s.engine(t, stream, 0), s.engine(t, stream, 1), s.engine(t, stream, 2)}
	at := claim(t, engines[0], 0, "a", 0)
	var want []string
	written := make(chan struct{})
	stop := make(chan struct{})
	go func() {
		defer close(written)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			data := fmt.Sprint("frame ", n)
			if _, err := engines[0].Commit(within(t), data, []cluster.StoredFrame{frame(0, at, data)}); err != nil {
				t.Error(err)
				return
			}
			want = append(want, data)
		}
	}()
	for range 2 {
		for i, e := range engines {
			if err := e.StepDown(within(t)); err != nil {
				t.Fatal(err)
			}
			status, err := e.Status(within(t))
			if err != nil || status.Leader == fmt.Sprintf("n%d", i) {
				t.Errorf("n%d has stepped down, and %s leads; %v", i, status.Leader, err)
			}
		}
	}
	close(stop)
	<-written
	if got := kept(t, engines[1], 0, claim(t, engines[1], 0, "b", at)); !slices.Equal(got, want) {
		t.Errorf("%d frames are kept, and %d were stored", len(got), len(want))
	}
	for _, e := range engines {
		for current := false; !current; time.Sleep(time.Millisecond) {
			var err error
			if current, err = e.Current(within(t)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Requests that wait for an answer end when another server leads.
func TestElectionEndsRequests(t *testing.T) {
	var w elected
	ctx, over := w.during(within(t))
	defer over()
	later, laterOver := w.during(ctx)
	laterOver()
	if cause := context.Cause(later); !errors.Is(cause, context.Canceled) {
		t.Errorf("a request that was over: %v", cause)
	}
	w.tell()
	if <-ctx.Done(); !errors.Is(context.Cause(ctx), errElected) {
		t.Errorf("%v", context.Cause(ctx))
	}
	if len(w.waiting) != 1 {
		t.Errorf("%d requests are remembered", len(w.waiting))
	}
}

// The frames of a partition come one by one, too.
func TestNext(t *testing.T) {
	s, stream := cluster3(t), name(t)
	e := s.engine(t, stream, 0)
	if at, _, err := e.Next(within(t), 7, 0); at != 0 || err != nil {
		t.Errorf("of none: %d, %v", at, err)
	}
	own, other := claim(t, e, 7, "a", 0), claim(t, e, 8, "a", 0)
	if _, err := e.Commit(within(t), "1", []cluster.StoredFrame{frame(7, own, "one"), frame(8, other, "of another"), frame(7, own, "two")}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for next := uint64(0); ; {
		at, data, err := e.Next(within(t), 7, next)
		if err != nil {
			t.Fatal(err)
		}
		if at == 0 {
			break
		}
		got, next = append(got, string(data)), at+1
	}
	if !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("%q", got)
	}
}
