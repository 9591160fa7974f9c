package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"simplane/server/funcspec"
)

func functionPath(name string) string { return "/v1/functions/" + url.PathEscape(name) }

// Functions lists all functions, sorted by name.
func (c *Client) Functions(ctx context.Context) (Answer[[]funcspec.Spec], error) {
	var all Answer[[]funcspec.Spec]
	entries := []json.RawMessage{}
	for cursor := ""; ; {
		r := request{method: "GET", path: "/v1/functions", query: query("cursor", cursor)}
		raw, header, err := c.send(ctx, r)
		if err != nil {
			return all, err
		}
		var page []json.RawMessage
		if err := json.Unmarshal(raw, &page); err != nil {
			return all, fmt.Errorf("%s: cannot read the answer: %w", c.base+r.path, err)
		}
		entries = append(entries, page...)
		switch next := header.Get("X-Next-Cursor"); next {
		case "":
			if all.Raw, err = json.Marshal(entries); err == nil {
				err = json.Unmarshal(all.Raw, &all.Value)
			}
			return all, err
		case cursor:
			return all, errStuck
		default:
			cursor = next
		}
	}
}

// Function gets one function.
func (c *Client) Function(ctx context.Context, name string) (Answer[funcspec.Spec], error) {
	return call[funcspec.Spec](ctx, c, request{method: "GET", path: functionPath(name)})
}

// Register creates a function from the JSON of its spec.
func (c *Client) Register(ctx context.Context, spec json.RawMessage) (Answer[funcspec.Spec], error) {
	return call[funcspec.Spec](ctx, c, request{method: "POST", path: "/v1/functions", body: spec})
}

// Replace makes a function be as the JSON of its spec says: it is changed in
// place, or created. generation, when not 0, is the one that the caller has
// seen; at another one the answer is 409 and nothing changes.
func (c *Client) Replace(ctx context.Context, name string, spec json.RawMessage, generation uint64) (Answer[funcspec.Spec], error) {
	return call[funcspec.Spec](ctx, c, request{method: "PUT", path: functionPath(name), header: ifMatch(generation), body: spec})
}

// Revision is a spec that a function has had.
type Revision struct {
	Generation uint64    `json:"generation"`
	At         time.Time `json:"at"`  // since when
	Who        string    `json:"who"` // the author, as in the server's audit log
	// Restores is the generation that a rollback has put in force again; 0 = it
	// was no rollback.
	Restores uint64 `json:"restores"`
	// Failed says that its instances did not get ready.
	Failed bool          `json:"failed"`
	Spec   funcspec.Spec `json:"spec"`
}

// Revisions lists the specs that a function has had, newest first: the one in
// force and some before it.
func (c *Client) Revisions(ctx context.Context, name string) (Answer[[]Revision], error) {
	return call[[]Revision](ctx, c, request{method: "GET", path: functionPath(name) + "/revisions"})
}

// Rollback puts the spec of generation to in force again, as a change of its
// own. generation is as for Replace.
func (c *Client) Rollback(ctx context.Context, name string, to, generation uint64) (Answer[funcspec.Spec], error) {
	return call[funcspec.Spec](ctx, c, request{method: "POST", path: functionPath(name) + ":rollback", header: ifMatch(generation),
		body: map[string]uint64{"generation": to}})
}

func ifMatch(generation uint64) map[string]string {
	if generation == 0 {
		return nil
	}
	return map[string]string{"If-Match": strconv.Quote(strconv.FormatUint(generation, 10))}
}

// SetReplicas sets the instances of a DEPLOYMENT function by hand.
func (c *Client) SetReplicas(ctx context.Context, name string, n int) (Answer[json.RawMessage], error) {
	return call[json.RawMessage](ctx, c, request{method: "PUT", path: functionPath(name) + "/replicas", body: map[string]int{"replicas": n}})
}

// Delete deletes a function; its queued work ends in error.
func (c *Client) Delete(ctx context.Context, name string) error {
	_, err := c.do(ctx, request{method: "DELETE", path: functionPath(name)})
	return err
}
