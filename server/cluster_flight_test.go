package server

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"simplane/core"
	"simplane/core/recording"
)

// takenAgain replays a dump: all functions from their oldest whole base, and all shards
// of keys. It returns how many steps of which function were decided in the same way.
func takenAgain(t *testing.T, dump []byte) map[string]int {
	t.Helper()
	rec, err := recording.Read(bytes.NewReader(dump))
	if err != nil {
		t.Fatal(err)
	}
	steps, bases := map[uint32][]core.Step{}, map[uint32]map[uint32]*core.Base{}
	names, begin := map[uint32]string{}, map[uint32]*core.Base{}
	var rates core.RateReplay
	for i := range rec.Steps {
		s := &rec.Steps[i]
		if err := rates.Next(s); err != nil {
			t.Error(err)
		}
		if s.Seq != 0 {
			steps[s.Domain] = append(steps[s.Domain], *s)
		} else if !s.Holds() {
			t.Errorf("a refusal does not hold: %+v", s)
		}
	}
	for _, b := range rec.Bases {
		if name, known := names[b.Domain]; known && name != b.Spec.Name {
			t.Errorf("number %d is %q and %q", b.Domain, name, b.Spec.Name)
		}
		names[b.Domain] = b.Spec.Name
		if bases[b.Domain] == nil {
			bases[b.Domain] = map[uint32]*core.Base{}
		}
		bases[b.Domain][b.Seq] = b
		if first := begin[b.Domain]; b.Whole && (first == nil || int32(b.Seq-first.Seq) < 0) {
			begin[b.Domain] = b
		}
	}
	same := map[string]int{}
	for domain, list := range steps {
		var next func([]core.Step) core.Verdict
		if _, keys := core.KeyDomain(domain); keys {
			names[domain] = "keys"
			r, err := core.NewKeyReplay(rec.Header.Config, domain)
			if err != nil {
				t.Fatal(err)
			}
			next = func(s []core.Step) core.Verdict { return r.Next(&s[0]) }
		} else {
			r, err := core.NewReplay(rec.Header.Config, begin[domain])
			if err != nil {
				t.Fatal(names[domain], err)
			}
			next = func(s []core.Step) core.Verdict { return r.Next(s, bases[domain][s[len(s)-1].Seq]) }
			for len(list) > 0 && int32(list[0].Seq-begin[domain].Seq) <= 0 {
				list = list[1:]
			}
		}
		for len(list) > 0 {
			n := 1 + int(list[0].More)
			if v := next(list[:n]); v.Result == core.ReplayIdentical {
				same[names[domain]]++
			} else if v.Result != core.ReplayUnverified {
				t.Errorf("%s, number %d: %v %v: %s\nrecorded %+v\nnow %+v", names[domain], domain, list[0].Kind, v.Result, v.Why, list[:n], v.Again)
				break
			}
			list = list[n:]
		}
	}
	return same
}

// A node's flight recorder has what all partitions have decided there, also those that
// came from another node, and came a second time.
func TestClusterFlightRecorder(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 2)
	var names []string
	for i := range 12 {
		name := fmt.Sprintf("fn-%d", i)
		names = append(names, name)
		c.nodes[i%2].register(name, "LOCAL", `"ratePerSecond":1000`)
	}
	work := func(nodes ...int) {
		for i, name := range names {
			f := c.nodes[nodes[i%len(nodes)]]
			for j := range 3 {
				f.invoke(name, fmt.Sprint(j), "Idempotency-Key", fmt.Sprint("key-", j)).expect(200)
			}
			f.ended(f.enqueue(name, `1`).expect(202).str("executionId"))
		}
	}
	dump := func(i int) map[string]int {
		return takenAgain(t, c.nodes[i].onMgmt("POST", "/v1/admin/flight-recorder:dump", "").expect(200).body)
	}
	work(0, 1)
	both := [2]map[string]int{dump(0), dump(1)}
	for _, name := range names {
		owner, other := c.owner(name)
		if both[owner][name] < 8 || both[other][name] > 0 {
			t.Errorf("%s of node %d: %d steps there, %d at the other", name, owner, both[owner][name], both[other][name])
		}
	}
	if both[0]["keys"] == 0 || both[1]["keys"] == 0 {
		t.Error("no key is recorded")
	}

	// All come to node 0, some go, and come again.
	c.stop(1)
	c.settle()
	work(0)
	c.build(1)
	c.nodes[2].begin()
	c.nodes[2].awaitReady()
	c.settle()
	work(0, 2)
	c.stop(2)
	c.settle()
	work(0)
	all := dump(0)
	for _, name := range names {
		if all[name] < 16 {
			t.Errorf("%s: %d steps", name, all[name])
		}
	}
	page := string(c.nodes[0].get("/actuator/prometheus").expect(200).body)
	if !strings.Contains(page, "simplane_flight_recorder_dumps_total 2") {
		t.Error("the metrics do not say that there were dumps")
	}
	c.stop(0)
}
