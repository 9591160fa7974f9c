package overview

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

// However functions are spread over nodes, each page is the one that a single node would
// have.
func TestPagesOfSeveralNodes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	names := []string{}
	for name := range orders {
		names = append(names, name)
	}
	slices.Sort(names)
	for range 200 {
		var all []Row
		parts := make([][]Row, 1+r.IntN(4))
		for i := range r.IntN(60) {
			row := Row{Name: fmt.Sprintf("f%02d", i), Accepted: float32(r.IntN(3)), Queued: r.IntN(3), P99: float32(r.IntN(3)), DeadLetters: r.IntN(2)}
			all = append(all, row)
			at := r.IntN(len(parts))
			parts[at] = append(parts[at], row)
			if r.IntN(10) == 0 { // it is handed over
				other := (at + 1) % len(parts)
				if other != at {
					parts[other] = append(parts[other], row)
				}
			}
		}
		q := Query{Sort: names[r.IntN(len(names))], Descending: r.IntN(2) == 0, Offset: r.IntN(30), Limit: 1 + r.IntN(20)}
		want := slices.Clone(all)
		q.Order(want)
		want = q.Cut(want)
		whole := q.Whole()
		var pages []Page
		for _, rows := range parts {
			whole.Order(rows)
			pages = append(pages, Page{Matching: len(rows), Rows: whole.Cut(rows)})
		}
		got := q.Merge(pages)
		if fmt.Sprint(got.Rows) != fmt.Sprint(want) {
			t.Fatalf("%+v: %v, want %v", q, got.Rows, want)
		}
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	for text, says := range map[string]string{
		"sort=size": "deadLetters", "sort=-nope": "sort", "limit=0": "limit: must be a whole number from 1", "limit=x": "limit", "offset=-1": "offset", "offset=10001": "offset",
	} {
		var args fasthttp.Args
		args.Parse(text)
		if _, fault := Parse(&args); fault == nil || !strings.Contains(strings.Join(fault.Details, " "), says) {
			t.Errorf("%s: %+v, want %q", text, fault, says)
		}
	}
	var args fasthttp.Args
	args.Parse("search=Ab&sort=-p99&offset=5&limit=7")
	if q, fault := Parse(&args); fault != nil || q != (Query{"ab", "p99", true, 5, 7}) || !q.Finds("xABy") || q.Finds("a") {
		t.Errorf("%+v %v", q, fault)
	}
}
