package client

import (
	"context"
	"encoding/json"
)

// DeadLetters are executions that ran out of retries, newest first; Dropped
// counts those that the bound pushed out.
type DeadLetters struct {
	DeadLetters []Execution `json:"deadLetters"`
	Dropped     int64       `json:"dropped"`
	Cut
}

// DeadLetters lists at most limit (> 0) of a function's dead letters, without
// their inputs.
func (c *Client) DeadLetters(ctx context.Context, name string, limit int) (Answer[DeadLetters], error) {
	return list[DeadLetters](ctx, c, request{method: "GET", path: functionPath(name) + "/dead-letters", query: query()}, "deadLetters", limit)
}

// DeadLetter gets the dead letter of an execution, with its input; ok is false
// when there is none.
func (c *Client) DeadLetter(ctx context.Context, name, id string) (letter Answer[Execution], ok bool, err error) {
	type one struct {
		DeadLetters []json.RawMessage `json:"deadLetters"`
	}
	a, err := call[one](ctx, c, request{method: "GET", path: functionPath(name) + "/dead-letters", query: query("id", id, "include", "input")})
	for _, raw := range a.Value.DeadLetters {
		letter.Raw = raw
		if err := json.Unmarshal(raw, &letter.Value); err != nil {
			return letter, false, err
		}
		if letter.Value.ExecutionID == id { // a server that does not know the query lists all
			return letter, true, nil
		}
	}
	return letter, false, err
}

// Redriven is what became of a re-drive.
type Redriven struct {
	Redriven []RedrivenLetter `json:"redriven"`
	Failed   []RefusedLetter  `json:"failed"`
}

// RedrivenLetter is a dead letter that was accepted, as a new execution.
type RedrivenLetter struct {
	ID          string `json:"id"`
	ExecutionID string `json:"executionId"`
}

// RefusedLetter is a dead letter that was not, and stays.
type RefusedLetter struct {
	ID      string `json:"id"`
	Code    string `json:"error"`
	Message string `json:"message"`
}

// Full reports a refusal of this moment, which a later try may not meet: the
// queue is full, or work comes too fast.
func (r RefusedLetter) Full() bool { return r.Code == "QUEUE_FULL" || r.Code == "RATE_LIMITED" }

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
