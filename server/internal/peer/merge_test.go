package peer

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"simplane/core"
)

// node answers a list of its own entries: those behind after, limit at most, and
// sometimes fewer.
func node(own []string, after string, limit int) part {
	left := slices.DeleteFunc(slices.Clone(own), func(k string) bool { return k <= after })
	p := part{}
	for i, k := range left {
		if i == limit {
			p.cut = true
			break
		}
		p.items = append(p.items, item{key: k, raw: []byte(k)})
		p.upto = k
	}
	return p
}

// Pages joined are the whole list, in order, each entry once, however the entries
// are spread over nodes and whichever node cuts its part where.
func TestMergedPagesAreTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := make([][]string, rapid.IntRange(1, 5).Draw(t, "nodes"))
		var all []string
		for i := range rapid.IntRange(0, 60).Draw(t, "entries") {
			k := fmt.Sprintf("%04d", i*7)
			all = append(all, k)
			n := rapid.IntRange(0, len(nodes)-1).Draw(t, "node")
			nodes[n] = append(nodes[n], k)
			if rapid.IntRange(0, 9).Draw(t, "moved") == 0 { // it moved between two answers
				n = (n + 1) % len(nodes)
				if !slices.Contains(nodes[n], k) {
					nodes[n] = append(nodes[n], k)
				}
			}
		}
		limit := rapid.IntRange(1, 70).Draw(t, "limit")
		var seen []string
		after := ""
		for range len(all) + 2 {
			var parts []part
			for _, own := range nodes {
				parts = append(parts, node(own, after, rapid.IntRange(1, limit).Draw(t, "cut at")))
			}
			list, cut, upto := joined(parts, limit, strings.Compare)
			if len(list) > limit {
				t.Fatalf("%d entries, the limit is %d", len(list), limit)
			}
			for _, it := range list {
				seen = append(seen, it.key)
			}
			if !cut {
				break
			}
			if upto <= after {
				t.Fatalf("a page leads from %q to %q", after, upto)
			}
			after = upto
		}
		if !slices.Equal(seen, all) {
			t.Fatalf("listed %v, there are %v", seen, all)
		}
	})
}

func TestExecutionsLoseTheirCursorsOnly(t *testing.T) {
	cursor := strings.Repeat("A", 32)
	it, err := executionItem([]byte(`{"executionId":"x","output":",\"cursor\":\"y\"}","cursor":"` + cursor + `"}`))
	if err != nil || string(it.raw) != `{"executionId":"x","output":",\"cursor\":\"y\"}"}` || len(it.key) != 24 {
		t.Errorf("%s, key %q, %v", it.raw, it.key, err)
	}
	for _, broken := range []string{`{}`, `{"a":1,"cursor":"AA"}`, `{"a":1,"cursor":"*"}`, `{"cursor":"x"`} {
		if _, err := executionItem([]byte(broken)); err == nil {
			t.Errorf("%s was taken", broken)
		}
	}
}

func TestPartitionSets(t *testing.T) {
	var a, b Partitions
	for p := range 256 {
		if p%3 == 0 {
			a.Add(core.Partition(p))
		}
		if p%5 == 0 {
			b.Add(core.Partition(p))
		}
	}
	both, either := a, a
	both.And(b)
	either.Or(b)
	for p := range 256 {
		if a.Has(core.Partition(p)) != (p%3 == 0) || both.Has(core.Partition(p)) != (p%15 == 0) || either.Has(core.Partition(p)) != (p%3 == 0 || p%5 == 0) {
			t.Fatalf("partition %d", p)
		}
	}
	if parsePartitions([]byte(either.String())) != either || parsePartitions([]byte("zz")) != (Partitions{}) || either.Len() != 86+52-18 {
		t.Errorf("%v has %d", &either, either.Len())
	}
}
