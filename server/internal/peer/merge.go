package peer

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"simplane/server/internal/httpjson"
	"simplane/server/internal/overview"
)

// merger makes one answer of those of several nodes.
type merger struct {
	merge func(ctx *fasthttp.RequestCtx, answers []answer, missing int) error
	// partial says that the answer is of use although some partitions are missing.
	partial bool
}

var mergers = map[string]merger{
	"/v1/functions":        {merge: mergeFunctions},
	"/v1/admin/executions": {merge: mergeExecutions},
	"/v1/admin/stats":      {merge: mergeStats, partial: true},
	"/v1/admin/overview":   {merge: mergeOverview, partial: true},
}

// item is one entry of a list. Of two with one key one is left out.
type item struct {
	key string
	raw json.RawMessage
}

// part is one node's part of a list, in its order.
type part struct {
	items []item
	// cut says that there is more behind the key upto.
	cut  bool
	upto string
}

// joined merges the parts into a list of at most limit entries and about
// MaxListBytes. compare is the order of keys. Nothing is listed that comes behind
// what a node has left out.
func joined(parts []part, limit int, compare func(a, b string) int) (list []item, cut bool, upto string) {
	var all []item
	bounded := false
	for _, p := range parts {
		all = append(all, p.items...)
		if p.cut && (!bounded || compare(p.upto, upto) < 0) {
			bounded, upto = true, p.upto
		}
	}
	slices.SortFunc(all, func(a, b item) int { return compare(a.key, b.key) })
	all = slices.CompactFunc(all, func(a, b item) bool { return a.key == b.key })
	size := 0
	for i := range all {
		if bounded && compare(all[i].key, upto) > 0 {
			return list, true, upto
		}
		if len(list) == limit || size >= httpjson.MaxListBytes {
			return list, true, list[len(list)-1].key
		}
		list = append(list, all[i])
		size += len(all[i].raw)
	}
	return list, bounded, upto
}

// limitOf is the limit that a request gives; each node has checked it.
func limitOf(ctx *fasthttp.RequestCtx, def int) int {
	n, fault := httpjson.LimitArg(ctx, "limit", def, httpjson.MaxListed)
	if fault != nil {
		return def
	}
	return n
}

func mergeFunctions(ctx *fasthttp.RequestCtx, answers []answer, _ int) error {
	var parts []part
	for _, a := range answers {
		if a.status == 0 {
			continue
		}
		var specs []json.RawMessage
		if err := json.Unmarshal(a.body, &specs); err != nil {
			return err
		}
		p := part{cut: a.cursor != "", upto: a.cursor}
		for _, raw := range specs {
			var spec struct {
				Name string `json:"name"`
			}
			if err := json.Unmarshal(raw, &spec); err != nil {
				return err
			}
			p.items = append(p.items, item{spec.Name, raw})
		}
		parts = append(parts, p)
	}
	list, cut, upto := joined(parts, limitOf(ctx, math.MaxInt), strings.Compare)
	if cut {
		ctx.Response.Header.Set(httpjson.HeaderNextCursor, upto)
	}
	writeJSON(ctx, func(b []byte) []byte { return append(appendItems(append(b, '['), list), ']') })
	return nil
}

func mergeExecutions(ctx *fasthttp.RequestCtx, answers []answer, _ int) error {
	var parts []part
	for _, a := range answers {
		if a.status == 0 {
			continue
		}
		var page struct {
			Executions []json.RawMessage `json:"executions"`
			Truncated  bool              `json:"truncated"`
			NextCursor string            `json:"nextCursor"`
		}
		if err := json.Unmarshal(a.body, &page); err != nil {
			return err
		}
		p := part{cut: page.Truncated}
		var err error
		if p.cut {
			if p.upto, err = positionKey(page.NextCursor); err != nil {
				return err
			}
		}
		for _, raw := range page.Executions {
			it, err := executionItem(raw)
			if err != nil {
				return err
			}
			p.items = append(p.items, it)
		}
		parts = append(parts, p)
	}
	newestFirst := func(a, b string) int { return cmp.Compare(b, a) }
	list, cut, upto := joined(parts, limitOf(ctx, 100), newestFirst)
	writeJSON(ctx, func(b []byte) []byte {
		b = append(appendItems(append(b, `{"executions":[`...), list), `],`...)
		return append(httpjson.AppendCut(b, cut, base64.RawURLEncoding.EncodeToString([]byte(upto))), '}')
	})
	return nil
}

var errNoCursor = errors.New("an execution without a cursor")

// executionItem takes the cursor, which comes last, out of an execution.
func executionItem(raw json.RawMessage) (item, error) {
	const before = `,"cursor":"`
	i := bytes.LastIndex(raw, []byte(before))
	if i < 0 || !bytes.HasSuffix(raw, []byte(`"}`)) {
		return item{}, errNoCursor
	}
	key, err := positionKey(string(raw[i+len(before) : len(raw)-2]))
	return item{key, append(raw[:i:i], '}')}, err
}

// positionKey is a cursor as bytes that sort as its position does.
func positionKey(cursor string) (string, error) {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil && len(raw) != 24 {
		err = errNoCursor
	}
	return string(raw), err
}

// mergeStats adds the figures up. What is the same for all nodes is that of the
// first, the uptime that of the node that was asked.
func mergeStats(ctx *fasthttp.RequestCtx, answers []answer, missing int) error {
	var parts []part
	var sum stats
	for i, a := range answers {
		if a.status == 0 {
			continue
		}
		var s stats
		if err := json.Unmarshal(a.body, &s); err != nil {
			return err
		}
		p := part{cut: s.Truncated, upto: s.NextCursor}
		for name, raw := range s.Functions {
			p.items = append(p.items, item{name, raw})
		}
		parts = append(parts, p)
		sum.FunctionCount += s.FunctionCount
		sum.StoredExecutions += s.StoredExecutions
		sum.StoredKeys += s.StoredKeys
		sum.PayloadBytes += s.PayloadBytes
		sum.SyncQueueDepth += s.SyncQueueDepth
		sum.JournalLagFacts += s.JournalLagFacts
		if i == 0 {
			sum.UptimeSeconds, sum.Durable = s.UptimeSeconds, s.Durable
		}
	}
	sum.PartitionsMissing = missing
	list, cut, upto := joined(parts, limitOf(ctx, math.MaxInt), strings.Compare)
	figures, err := json.Marshal(sum)
	if err != nil {
		return err
	}
	writeJSON(ctx, func(b []byte) []byte {
		b = append(b, `{"functions":{`...)
		for i, it := range list {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(append(httpjson.AppendString(b, it.key), ':'), it.raw...)
		}
		b = append(b, `},`...)
		b = append(httpjson.AppendCut(b, cut, upto), ',')
		return append(b, figures[1:]...)
	})
	return nil
}

// mergeOverview makes the page that was asked for of the nodes' parts.
func mergeOverview(ctx *fasthttp.RequestCtx, answers []answer, missing int) error {
	q, fault := overview.Parse(ctx.QueryArgs())
	if fault != nil { // each node has said so
		fault.Write(ctx)
		return nil
	}
	var parts []overview.Page
	for _, a := range answers {
		if a.status == 0 {
			continue
		}
		var p overview.Page
		if err := json.Unmarshal(a.body, &p); err != nil {
			return err
		}
		parts = append(parts, p)
	}
	page := q.Merge(parts)
	page.Server.PartitionsMissing = missing
	httpjson.WriteJSON(ctx, fasthttp.StatusOK, page)
	return nil
}

// stats are the members of an answer with statistics.
type stats struct {
	Functions         map[string]json.RawMessage `json:"functions,omitempty"`
	Truncated         bool                       `json:"truncated,omitempty"`
	NextCursor        string                     `json:"nextCursor,omitempty"`
	FunctionCount     int64                      `json:"functionCount"`
	StoredExecutions  int64                      `json:"storedExecutions"`
	StoredKeys        int64                      `json:"storedKeys"`
	PayloadBytes      int64                      `json:"payloadBytes"`
	SyncQueueDepth    int64                      `json:"syncQueueDepth"`
	UptimeSeconds     int64                      `json:"uptimeSeconds"`
	Durable           bool                       `json:"durable"`
	JournalLagFacts   int64                      `json:"journalLagFacts"`
	PartitionsMissing int                        `json:"partitionsMissing,omitempty"`
}

func appendItems(b []byte, list []item) []byte {
	for i, it := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, it.raw...)
	}
	return b
}

func writeJSON(ctx *fasthttp.RequestCtx, fill func([]byte) []byte) {
	ctx.Response.Header.SetContentTypeBytes(httpjson.ContentTypeJSON)
	httpjson.WriteBody(ctx, fill)
}
