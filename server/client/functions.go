package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"

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

// Delete deletes a function; its queued work ends in error.
func (c *Client) Delete(ctx context.Context, name string) error {
	_, err := c.do(ctx, request{method: "DELETE", path: functionPath(name)})
	return err
}

// Logs gets the last lines that a function's instances wrote.
func (c *Client) Logs(ctx context.Context, name string, tail int) ([]byte, error) {
	return c.do(ctx, request{method: "GET", path: functionPath(name) + "/logs", query: url.Values{"tail": {strconv.Itoa(tail)}}})
}
