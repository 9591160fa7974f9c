package jetstream

import (
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
)

// Of what several members announce at once, each again and again and in no order, the
// value with the highest version stays.
func TestAnnouncementsInNoOrder(t *testing.T) {
	s, stream := cluster3(t), name(t)
	engines := []*Engine{s.engine(t, stream, 0), s.engine(t, stream, 1), s.engine(t, stream, 2)}
	const newest = 30
	var all sync.WaitGroup
	for i, e := range engines {
		all.Go(func() {
			for n := range newest {
				version := (n*7+i*11)%newest + 1
				if err := e.Announce(within(t), "config", uint64(version), []byte(strconv.Itoa(version))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	kept := func() string {
		m, err := engines[0].newest(within(t), engines[0].nodes, engines[0].subjects.set("config"))
		if err != nil || m == nil {
			t.Fatal(m, err)
		}
		return string(m.Data)
	}
	if got := kept(); got != fmt.Sprint(newest) {
		t.Errorf("version %s is kept", got)
	}
	for _, version := range []uint64{0, 1, newest} { // late, and once more
		if err := engines[1].Announce(within(t), "config", version, []byte("late")); err != nil {
			t.Error(err)
		}
	}
	if got := kept(); got != fmt.Sprint(newest) {
		t.Errorf("%s is kept", got)
	}
	// What an earlier version of the program has announced has no version.
	old := nats.NewMsg(engines[0].subjects.set("of old"))
	old.Data = []byte("old")
	if _, err := engines[0].write(within(t), old); err != nil {
		t.Fatal(err)
	}
	if err := engines[2].Announce(within(t), "of old", 1, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if m, err := engines[0].newest(within(t), engines[0].nodes, old.Subject); err != nil || string(m.Data) != "new" {
		t.Errorf("%v, %v", m, err)
	}
}
