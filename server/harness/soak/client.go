package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// internalToken switches completion tokens on for functions.
const internalToken = "soak-internal"

// client talks to the server under test.
type client struct {
	api, mgmt string // http://host:port
	http      *http.Client
}

func newClient(api, mgmt string) *client {
	return &client{api: api, mgmt: mgmt, http: &http.Client{
		Timeout: time.Minute, // a hang is a failure, not a wait for ever
		Transport: &http.Transport{
			MaxIdleConnsPerHost: 256,
			// Well before the server's idle timeout, so that no request meets a
			// connection that is about to close.
			IdleConnTimeout: 5 * time.Second,
			DialContext:     (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		},
	}}
}

type reply struct {
	status int
	header http.Header
	body   []byte
}

func (c *client) do(ctx context.Context, method, url string, body []byte, headers ...string) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Authorization", "Bearer "+internalToken)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, raw}, err
}

// into decodes a reply's body.
func (r reply) into(v any) error {
	if err := json.Unmarshal(r.body, v); err != nil {
		return fmt.Errorf("status %d with a body that is not JSON: %.200s", r.status, r.body)
	}
	return nil
}

// code is an error answer's code.
func (r reply) code() string {
	var body struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(r.body, &body)
	return body.Error
}

// must is do for calls that have to succeed with one status.
func (c *client) must(method, url string, body any, status int) (reply, error) {
	var raw []byte
	if body != nil {
		raw, _ = json.Marshal(body)
	}
	r, err := c.do(context.Background(), method, url, raw)
	if err == nil && r.status != status {
		err = fmt.Errorf("%s %s: status %d, want %d: %.300s", method, url, r.status, status, r.body)
	}
	return r, err
}

func (c *client) register(f *function) error {
	_, err := c.must("POST", c.mgmt+"/v1/functions", f.spec, http.StatusCreated)
	return err
}

// execution looks an execution up; found is false when it is not there.
func (c *client) execution(id string) (s seen, found bool, err error) {
	r, err := c.do(context.Background(), "GET", c.api+"/v1/executions/"+id, nil)
	if err != nil || r.status == http.StatusNotFound {
		return s, false, err
	}
	if r.status != http.StatusOK {
		return s, false, fmt.Errorf("looking %s up: status %d: %.200s", id, r.status, r.body)
	}
	return s, true, r.into(&s)
}
