package jetstream

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"simplane/core/cluster"
)

// Who makes room for whom, by what a server hears itself and what others say.
func TestHearing(t *testing.T) {
	const ms = time.Millisecond
	type says struct {
		server string
		ago    time.Duration // how long before the look it was said
		heard  map[string]time.Duration
	}
	for _, c := range []struct {
		name string
		said []says
		want string
	}{
		{"nobody else was ever heard", nil, ""},
		{"all hear all", []says{
			{"b", 100 * ms, map[string]time.Duration{"a": 100 * ms, "c": 100 * ms}},
			{"c", 100 * ms, map[string]time.Duration{"a": 100 * ms, "b": 100 * ms}}}, ""},
		{"c is not heard here, and b hears it", []says{
			{"b", 100 * ms, map[string]time.Duration{"a": 100 * ms, "c": 100 * ms}},
			{"c", 1000 * ms, map[string]time.Duration{"a": 100 * ms, "b": 100 * ms}}}, "b"},
		{"c was never heard here", []says{
			{"b", 100 * ms, map[string]time.Duration{"a": 100 * ms, "c": 100 * ms}}}, "b"},
		{"c is not heard here for a moment", []says{
			{"b", 100 * ms, map[string]time.Duration{"a": 100 * ms, "c": 100 * ms}},
			{"c", 800 * ms, map[string]time.Duration{"a": 100 * ms, "b": 100 * ms}}}, ""},
		{"c has ended: it was heard at b a little later", []says{
			{"b", 100 * ms, map[string]time.Duration{"a": 100 * ms, "c": 600 * ms}},
			{"c", 900 * ms, map[string]time.Duration{"a": 100 * ms, "b": 100 * ms}}}, ""},
		{"what b says is old", []says{
			{"b", 700 * ms, map[string]time.Duration{"a": 100 * ms, "c": 0}},
			{"c", 1000 * ms, map[string]time.Duration{"a": 100 * ms, "b": 100 * ms}}}, ""},
		{"b hears c, and not this one", []says{
			{"b", 100 * ms, map[string]time.Duration{"a": 2000 * ms, "c": 100 * ms}},
			{"c", 1000 * ms, map[string]time.Duration{"a": 100 * ms, "b": 100 * ms}}}, ""},
		{"b has never heard this one", []says{
			{"b", 100 * ms, map[string]time.Duration{"c": 100 * ms}},
			{"c", 1000 * ms, map[string]time.Duration{"b": 100 * ms}}}, ""},
		{"c hears as much as this one, another", []says{
			{"b", 100 * ms, map[string]time.Duration{"a": 100 * ms, "c": 100 * ms, "d": 2000 * ms}},
			{"c", 1000 * ms, map[string]time.Duration{"a": 2000 * ms, "b": 100 * ms, "d": 100 * ms}},
			{"d", 100 * ms, map[string]time.Duration{"a": 100 * ms, "b": 2000 * ms, "c": 100 * ms}}}, ""},
		{"of five, d hears all", []says{
			{"b", 100 * ms, map[string]time.Duration{"a": 100 * ms, "d": 100 * ms, "e": 100 * ms}},
			{"c", 1000 * ms, map[string]time.Duration{"d": 100 * ms, "e": 100 * ms}},
			{"d", 100 * ms, map[string]time.Duration{"a": 100 * ms, "b": 100 * ms, "c": 100 * ms, "e": 100 * ms}},
			{"e", 100 * ms, map[string]time.Duration{"a": 100 * ms, "b": 100 * ms, "d": 100 * ms}}}, "d"},
	} {
		h := hearing{self: "a"}
		now := time.Now()
		h.look(now.Add(-beat))
		for _, s := range c.said {
			h.tell(s.server, s.heard, now.Add(-s.ago))
		}
		if _, got := h.look(now); got != c.want {
			t.Errorf("%s: %q is to lead, not %q", c.name, got, c.want)
		}
		// A server that did not run does not know who was silent.
		h.looked = now.Add(-strange - time.Millisecond)
		if _, got := h.look(now); got != "" && c.name != "c was never heard here" {
			t.Errorf("%s: a server that did not run wants %q to lead", c.name, got)
		}
	}
	h := hearing{self: "a"}
	now := time.Now()
	h.look(now)
	h.tell("a", nil, now)
	h.tell("b", nil, now)
	for range 400 { // of those that have gone nothing is kept
		now = now.Add(beat)
		h.look(now)
	}
	if heard, _ := h.look(now); len(heard) != 0 {
		t.Errorf("heard after a long silence: %v", heard)
	}
}

// Servers that run hear one another, and whoever leads can be moved to a certain one;
// nothing that is written meanwhile is refused.
func TestMoveLead(t *testing.T) {
	s, stream := cluster3(t), name(t)
	engines := []*Engine{s.engine(t, stream, 0), s.engine(t, stream, 1), s.engine(t, stream, 2)}
	at := claim(t, engines[0], 0, "a", 0)
	for i, to := range []string{"n0", "n1", "n2", "n0"} {
		leads := func() bool {
			at := s.all[i%3].server
			return at.JetStreamIsLeader() && at.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, stream) && at.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, stream+"-nodes")
		}
		for ctx := within(t); !leads(); {
			if ctx.Err() != nil {
				t.Fatalf("%s does not lead", to)
			}
			for _, e := range engines {
				if e.Embedded != s.all[i%3] {
					e.moveLead(to)
				}
			}
			data := frame(0, at, to)
			if _, err := engines[0].Commit(within(t), to+time.Now().String(), []cluster.StoredFrame{data}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What servers tell one another comes to all, and names all.
func TestServersHearOneAnother(t *testing.T) {
	s, stream := cluster3(t), name(t)
	a := s.engine(t, stream, 0)
	for _, i := range []int{1, 2} {
		s.engine(t, stream, i)
	}
	told, err := a.nc.SubscribeSync(a.subjects.hearing())
	if err != nil {
		t.Fatal(err)
	}
	for complete := map[string]bool{}; len(complete) < 3; {
		ctx, cancel := context.WithTimeout(within(t), time.Minute)
		m, err := told.NextMsgWithContext(ctx)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		var by heardBy
		if err := json.Unmarshal(m.Data, &by); err != nil {
			t.Fatal(err)
		}
		if len(by.AgoMs) == 2 {
			complete[by.Server] = true
		}
	}
}
