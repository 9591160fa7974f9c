package jetstream

import (
	"context"
	"time"

	js "github.com/nats-io/nats.go/jetstream"
)

// Status is what the engine says of the stream of frames.
type Status struct {
	// Leader is the server that orders and acknowledges; "" = none, or not known.
	Leader string `json:"leader,omitempty"`
	// Copies are the other servers that keep each message.
	Copies []Copy `json:"copies"`
	// Bytes are kept on each server, at most Limit. Frames and ownership records are
	// counted by Messages.
	Bytes    uint64 `json:"bytes"`
	Limit    uint64 `json:"limit"`
	Messages uint64 `json:"messages"`
}

// Copy is a server that follows the leader.
type Copy struct {
	Server  string `json:"server"`
	Current bool   `json:"current"`
	Offline bool   `json:"offline,omitempty"`
	// Lag is by how many writes it is behind. Heard is how long ago it was heard of.
	Lag   uint64        `json:"lag"`
	Heard time.Duration `json:"heard"`
}

// Status asks for the state of the stream of frames.
func (e *Engine) Status(ctx context.Context) (s Status, err error) {
	var info *js.StreamInfo
	err = patiently(ctx, func(ctx context.Context) error {
		info, err = e.frames.Info(ctx)
		return err
	}, passing)
	if err != nil {
		return s, err
	}
	s = Status{Bytes: info.State.Bytes, Limit: uint64(info.Config.MaxBytes), Messages: info.State.Msgs}
	if info.Cluster != nil {
		s.Leader = info.Cluster.Leader
		for _, r := range info.Cluster.Replicas {
			s.Copies = append(s.Copies, Copy{Server: r.Name, Current: r.Current, Offline: r.Offline, Lag: r.Lag, Heard: r.Active})
		}
	}
	return s, nil
}

// Space is how many bytes the stream of frames takes on each server, and may take.
func (e *Engine) Space(ctx context.Context) (used, most int64, err error) {
	s, err := e.Status(ctx)
	return int64(s.Bytes), int64(s.Limit), err
}

// Current says that the server inside this process has all of both streams, as their
// leaders know it. It is true without such a server.
func (e *Engine) Current(ctx context.Context) (bool, error) {
	if e.Embedded == nil {
		return true, nil
	}
	for _, s := range []js.Stream{e.frames, e.nodes} {
		info, err := s.Info(ctx)
		if err != nil {
			return false, err
		}
		if !current(info, e.Embedded.server.Name()) {
			return false, nil
		}
	}
	return true, nil
}

// current says that a server has all of the stream, or is none of those that keep it.
func current(info *js.StreamInfo, server string) bool {
	if info.Cluster == nil || info.Cluster.Leader == server {
		return true
	}
	for _, r := range info.Cluster.Replicas {
		if r.Name == server {
			return r.Current && !r.Offline
		}
	}
	return info.Cluster.Leader != ""
}
