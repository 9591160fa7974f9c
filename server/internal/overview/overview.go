// Package overview is a page of the functions of a server or a cluster with what they do
// now: how it is asked for, and how the parts of several nodes become one page.
package overview

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"simplane/server/internal/httpjson"
)

// Row is one function. Rates are a second, over the last five.
type Row struct {
	Name        string    `json:"name"`
	Mode        string    `json:"executionMode"`
	Runtime     string    `json:"runtimeMode"`
	Generation  uint64    `json:"generation"`
	Accepted    float32   `json:"accepted"`
	OK          float32   `json:"ok"`
	Failed      float32   `json:"failed"` // errors and timeouts
	Rejected    float32   `json:"rejected"`
	P50         float32   `json:"p50"` // ms, from acceptance to the end; 0 = none ended
	P99         float32   `json:"p99"`
	Queued      int       `json:"queued"`
	QueueSize   int       `json:"queueSize"`
	InFlight    int       `json:"inFlight"`
	Slots       int       `json:"slots"`
	Ready       int       `json:"ready"` // instances
	DeadLetters int       `json:"deadLetters"`
	RateLimit   int64     `json:"rateMaxPerSecond,omitempty"`
	Rollout     string    `json:"rollout,omitempty"`
	Trouble     string    `json:"trouble,omitempty"`
	Recent      []float32 `json:"recent"` // accepted a second in the last minute, oldest first
}

// Server is what is said of all functions together.
type Server struct {
	Functions         int     `json:"functions"`
	Accepted          float32 `json:"accepted"`
	OK                float32 `json:"ok"`
	Failed            float32 `json:"failed"`
	Rejected          float32 `json:"rejected"`
	Queued            int     `json:"queued"`
	InFlight          int     `json:"inFlight"`
	StoredExecutions  int64   `json:"storedExecutions"`
	PayloadBytes      int64   `json:"payloadBytes"`
	SyncQueueDepth    int64   `json:"syncQueueDepth"`
	JournalLagFacts   int64   `json:"journalLagFacts"`
	Durable           bool    `json:"durable"`
	UptimeSeconds     int64   `json:"uptimeSeconds"`
	Cluster           bool    `json:"cluster"`
	PartitionsMissing int     `json:"partitionsMissing,omitempty"`
}

// Page is the answer.
type Page struct {
	Matching int    `json:"matching"` // functions that the search finds
	Offset   int    `json:"offset"`
	Rows     []Row  `json:"rows"`
	Server   Server `json:"server"`
}

// Query is what is asked for.
type Query struct {
	Search        string // a part of the name; lower case
	Sort          string
	Descending    bool
	Offset, Limit int
}

// MaxOffset bounds how far a page is from the beginning: parts of several nodes reach
// as far.
const MaxOffset = 10_000

var orders = map[string]func(a, b *Row) int{
	"name":        func(a, b *Row) int { return strings.Compare(a.Name, b.Name) },
	"mode":        func(a, b *Row) int { return strings.Compare(a.Mode+a.Runtime, b.Mode+b.Runtime) },
	"accepted":    func(a, b *Row) int { return cmp.Compare(a.Accepted, b.Accepted) },
	"ok":          func(a, b *Row) int { return cmp.Compare(a.OK, b.OK) },
	"failed":      func(a, b *Row) int { return cmp.Compare(a.Failed, b.Failed) },
	"rejected":    func(a, b *Row) int { return cmp.Compare(a.Rejected, b.Rejected) },
	"queued":      func(a, b *Row) int { return cmp.Compare(a.Queued, b.Queued) },
	"inFlight":    func(a, b *Row) int { return cmp.Compare(a.InFlight, b.InFlight) },
	"ready":       func(a, b *Row) int { return cmp.Compare(a.Ready, b.Ready) },
	"p50":         func(a, b *Row) int { return cmp.Compare(a.P50, b.P50) },
	"p99":         func(a, b *Row) int { return cmp.Compare(a.P99, b.P99) },
	"deadLetters": func(a, b *Row) int { return cmp.Compare(a.DeadLetters, b.DeadLetters) },
}

// Parse reads a query: search, sort (name or a figure, with - before it from the highest
// down), offset and limit.
func Parse(args *fasthttp.Args) (q Query, fault *httpjson.Error) {
	q = Query{Search: strings.ToLower(string(args.Peek("search"))), Sort: "name", Limit: 50}
	var wrong []string
	if sort := string(args.Peek("sort")); sort != "" {
		q.Sort, q.Descending = strings.CutPrefix(sort, "-")
		if orders[q.Sort] == nil {
			names := make([]string, 0, len(orders))
			for name := range orders {
				names = append(names, name)
			}
			slices.Sort(names)
			wrong = append(wrong, fmt.Sprintf("sort: must be one of %s, with - before it from the highest down, not %q", strings.Join(names, ", "), httpjson.Clip([]byte(sort), 40)))
		}
	}
	number := func(name string, least, most int, to *int) {
		raw := args.Peek(name)
		if len(raw) == 0 {
			return
		}
		n, err := strconv.Atoi(string(raw))
		if err != nil || n < least || n > most {
			wrong = append(wrong, fmt.Sprintf("%s: must be a whole number from %d to %d, not %q", name, least, most, httpjson.Clip(raw, 40)))
			return
		}
		*to = n
	}
	number("offset", 0, MaxOffset, &q.Offset)
	number("limit", 1, httpjson.MaxListed, &q.Limit)
	if len(wrong) > 0 {
		return q, httpjson.ValidationFailed(wrong...)
	}
	return q, nil
}

// Finds reports whether the search finds a name.
func (q *Query) Finds(name string) bool {
	return q.Search == "" || strings.Contains(strings.ToLower(name), q.Search)
}

// Order sorts rows, those that are alike by name.
func (q *Query) Order(rows []Row) {
	by := orders[q.Sort]
	slices.SortFunc(rows, func(a, b Row) int {
		c := by(&a, &b)
		if q.Descending {
			c = -c
		}
		return cmp.Or(c, strings.Compare(a.Name, b.Name))
	})
}

// Whole is the query for all rows up to the end of the page: what a node gives to
// another, which makes the page.
func (q Query) Whole() Query {
	q.Limit, q.Offset = q.Offset+q.Limit, 0
	return q
}

// Cut is the page's part of rows in order.
func (q *Query) Cut(rows []Row) []Row {
	from := min(q.Offset, len(rows))
	return rows[from:min(from+q.Limit, len(rows))]
}

// Merge makes one page of those of several nodes, each an answer to the Whole query. Of
// a function that two of them have, being handed over, one row is shown.
func (q *Query) Merge(parts []Page) Page {
	whole := Page{Offset: q.Offset, Rows: []Row{}}
	seen := map[string]bool{}
	for i := range parts {
		p := &parts[i]
		whole.Matching += p.Matching
		for _, r := range p.Rows {
			if seen[r.Name] {
				whole.Matching--
				continue
			}
			seen[r.Name] = true
			whole.Rows = append(whole.Rows, r)
		}
		whole.Server.add(&p.Server, i == 0)
	}
	q.Order(whole.Rows)
	whole.Rows = q.Cut(whole.Rows)
	return whole
}

func (s *Server) add(o *Server, first bool) {
	s.Functions += o.Functions
	s.Accepted += o.Accepted
	s.OK += o.OK
	s.Failed += o.Failed
	s.Rejected += o.Rejected
	s.Queued += o.Queued
	s.InFlight += o.InFlight
	s.StoredExecutions += o.StoredExecutions
	s.PayloadBytes += o.PayloadBytes
	s.SyncQueueDepth += o.SyncQueueDepth
	s.JournalLagFacts += o.JournalLagFacts
	if first {
		s.Durable, s.UptimeSeconds, s.Cluster = o.Durable, o.UptimeSeconds, o.Cluster
	}
}
