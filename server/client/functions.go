package client

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"

	"simplane/server/funcspec"
)

func functionPath(name string) string { return "/v1/functions/" + url.PathEscape(name) }

// Functions lists the functions, sorted by name.
func (c *Client) Functions(ctx context.Context) (Answer[[]funcspec.Spec], error) {
	return call[[]funcspec.Spec](ctx, c, request{method: "GET", path: "/v1/functions"})
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
