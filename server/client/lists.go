package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strconv"
)

// mostAtOnce is the most entries that one request may ask for.
const mostAtOnce = 1000

// Cut says whether a list goes on, and the cursor to go on with.
type Cut struct {
	Truncated  bool   `json:"truncated"`
	NextCursor string `json:"nextCursor"`
}

var errStuck = errors.New("the list does not go on: the server names the same cursor again")

// list gets an object whose field is a list, following its cursors until there
// are limit entries or no more. The other fields are those of the last answer.
func list[T any](ctx context.Context, c *Client, r request, field string, limit int) (Answer[T], error) {
	var all Answer[T]
	entries := []json.RawMessage{}
	for {
		q := maps.Clone(r.query)
		q.Set("limit", strconv.Itoa(min(limit-len(entries), mostAtOnce)))
		page, err := call[map[string]json.RawMessage](ctx, c, request{method: r.method, path: r.path, query: q})
		if err != nil {
			return all, err
		}
		var more []json.RawMessage
		if err := json.Unmarshal(page.Value[field], &more); err != nil {
			return all, fmt.Errorf("%s: cannot read the answer: %w", c.base+r.path, err)
		}
		entries = append(entries, more...)
		var cut Cut
		if err := json.Unmarshal(page.Raw, &cut); err != nil {
			return all, err
		}
		if cut.NextCursor == "" || len(entries) >= limit {
			page.Value[field], _ = json.Marshal(entries)
			if all.Raw, err = json.Marshal(page.Value); err == nil {
				err = json.Unmarshal(all.Raw, &all.Value)
			}
			return all, err
		}
		if r.query.Get("cursor") == cut.NextCursor {
			return all, errStuck
		}
		r.query = maps.Clone(r.query)
		r.query.Set("cursor", cut.NextCursor)
	}
}

// query makes the query of what is not empty.
func query(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

func millis(ms int64) string {
	if ms == 0 {
		return ""
	}
	return strconv.FormatInt(ms, 10)
}
