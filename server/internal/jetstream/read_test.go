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

// stepDown makes the server that leads a stream give the lead up.
func stepDown(t testing.TB, e *Engine, stream string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if _, err := e.nc.RequestWithContext(ctx, "$JS.API.STREAM.LEADER.STEPDOWN."+stream, nil); err != nil {
		t.Logf("%s: %v", stream, err)
	}
}

// A reader ends at its own claim, whatever server it reads from, and has then met all
// that was acknowledged before, also of those that lost the partition while they
// wrote.
func TestReadEndsAtOwnClaim(t *testing.T) {
	s, stream := cluster3(t), name(t)
	engines := []*Engine{s.engine(t, stream, 0), s.engine(t, stream, 1), s.engine(t, stream, 2)}
	var at cluster.Fence
	var acknowledged []string
	for turn := range 6 {
		e := engines[turn%3]
		next := claim(t, e, 9, fmt.Sprint("owner ", turn%3), at)
		if turn%2 == 1 {
			stepDown(t, e, stream)
		}
		if got := kept(t, e, 9, next); !slices.Equal(got, acknowledged) {
			t.Fatalf("turn %d: read %v, acknowledged %v", turn, got, acknowledged)
		}
		at = next
		for i := range 5 {
			data := fmt.Sprintf("%d.%d", turn, i)
			if _, err := e.Commit(within(t), data, []cluster.StoredFrame{frame(9, at, data), frame(9, at, data+"'")}); err != nil {
				t.Fatal(err)
			}
			acknowledged = append(acknowledged, data, data+"'")
		}
	}
	if got := kept(t, engines[0], 9, 1); len(got) != 0 {
		t.Errorf("until a record that others have replaced since: %v", got)
	}
}

func TestReadFromAPlace(t *testing.T) {
	s, stream := cluster3(t), name(t)
	e := s.engine(t, stream, 0)
	at := claim(t, e, 0, "a", 0)
	var places []uint64
	for i := range 3 {
		last, err := e.Commit(within(t), fmt.Sprint(i), []cluster.StoredFrame{frame(0, at, fmt.Sprint(i))})
		if err != nil {
			t.Fatal(err)
		}
		places = append(places, last)
	}
	var got []uint64
	enough := errors.New("enough")
	each := func(at uint64, data []byte) error {
		if got = append(got, at); len(got) == 2 {
			return enough
		}
		return nil
	}
	if err := e.Read(within(t), 0, places[1], 0, each); err != enough || !slices.Equal(got, places[1:]) {
		t.Errorf("from %d: %v, %v", places[1], got, err)
	}
	if err := e.Read(within(t), 0, uint64(at)+1, at, each); err != nil || len(got) != 2 {
		t.Errorf("from behind its end: %v, %v", got, err)
	}
	ended, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	if err := e.Read(ended, 1, 0, at+1000, each); !errors.Is(err, context.Canceled) {
		t.Errorf("without its end: %v", err)
	}
}

func TestPurge(t *testing.T) {
	s, stream := cluster3(t), name(t)
	e := s.engine(t, stream, 0)
	zero, one := claim(t, e, 0, "a", 0), claim(t, e, 1, "a", 0)
	var last uint64
	for i := range 4 {
		var err error
		last, err = e.Commit(within(t), fmt.Sprint(i), []cluster.StoredFrame{frame(1, one, fmt.Sprint(i)), frame(0, zero, fmt.Sprint(i))})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, before := range []uint64{0, 1, last} {
		if err := e.Purge(within(t), 0, before); err != nil {
			t.Fatal(err)
		}
	}
	zero, one = claim(t, e, 0, "b", zero), claim(t, e, 1, "b", one)
	if got := kept(t, e, 0, zero); !slices.Equal(got, []string{"3"}) {
		t.Errorf("partition 0 has %v", got)
	}
	if got := kept(t, e, 1, one); !slices.Equal(got, []string{"0", "1", "2", "3"}) {
		t.Errorf("partition 1 has %v", got)
	}
	status, err := e.Status(within(t))
	if err != nil || status.Leader == "" || len(status.Copies) != 2 || status.Messages != 7 || status.Bytes == 0 || status.Limit != 1<<30 {
		t.Errorf("status %+v, %v", status, err)
	}
}
