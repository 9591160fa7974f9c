package client

import (
	"context"
	"mime"
)

// DumpFlightRecorder gets what the flight recorder holds, as a recording, and the
// name that the server has for the file.
func (c *Client) DumpFlightRecorder(ctx context.Context) (dump []byte, name string, err error) {
	raw, header, err := c.send(ctx, request{method: "POST", path: "/v1/admin/flight-recorder:dump"})
	if err != nil {
		return nil, "", err
	}
	_, params, err := mime.ParseMediaType(header.Get("Content-Disposition"))
	if err != nil {
		params = nil // without a name
	}
	return raw, params["filename"], nil
}
