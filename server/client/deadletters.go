package client

import (
	"context"
	"net/url"
	"strconv"
)

// DeadLetters are executions that ran out of retries; Dropped counts those
// that the bound pushed out.
type DeadLetters struct {
	DeadLetters []Execution `json:"deadLetters"`
	Dropped     int64       `json:"dropped"`
}

// DeadLetters lists a function's dead letters.
func (c *Client) DeadLetters(ctx context.Context, name string, limit int) (Answer[DeadLetters], error) {
	q := url.Values{}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	return call[DeadLetters](ctx, c, request{method: "GET", path: functionPath(name) + "/dead-letters", query: q})
}

// Redriven is what became of a re-drive.
type Redriven struct {
	Redriven []struct {
		ID          string `json:"id"`
		ExecutionID string `json:"executionId"`
	} `json:"redriven"`
	Failed []struct {
		ID      string `json:"id"`
		Code    string `json:"error"`
		Message string `json:"message"`
	} `json:"failed"`
}

// Redrive submits dead letters again: those named, or all when none is.
func (c *Client) Redrive(ctx context.Context, name string, ids []string) (Answer[Redriven], error) {
	body := map[string]any{"all": true}
	if len(ids) > 0 {
		body = map[string]any{"ids": ids}
	}
	return call[Redriven](ctx, c, request{method: "POST", path: functionPath(name) + "/dead-letters:redrive", body: body})
}

// Purge drops a function's dead letters.
func (c *Client) Purge(ctx context.Context, name string) error {
	_, err := c.do(ctx, request{method: "DELETE", path: functionPath(name) + "/dead-letters"})
	return err
}
