package container

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/moby/moby/client"
)

// podmanRootless reports whether Podman runs without root: then the addresses of its
// containers are of a network that nobody else is in. Podman says so in a member of
// its own, which the client's Info does not read.
func podmanRootless(ctx context.Context, c *client.Client) (bool, error) {
	dial := c.Dialer()
	web := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://engine/info", nil)
	if err != nil {
		return false, err
	}
	resp, err := web.Do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	var info struct{ Rootless bool }
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&info); err != nil {
		return false, fmt.Errorf("what the engine says of itself is not understood: %w", err)
	}
	return info.Rootless, nil
}
