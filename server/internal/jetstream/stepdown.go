package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"
)

// Subjects by which a server is asked not to lead any more.
const (
	stepDownStream  = "$JS.API.STREAM.LEADER.STEPDOWN."
	stepDownServers = "$JS.API.META.LEADER.STEPDOWN"
)

// StepDown has other servers lead the streams, and all servers, where the one inside
// this process does. It returns when they do, or when ctx ends. Servers outside are not
// this process's to ask.
func (e *Engine) StepDown(ctx context.Context) error {
	if e.Embedded == nil {
		return nil
	}
	var errs []error
	for _, s := range []js.Stream{e.frames, e.nodes} {
		errs = append(errs, e.stepDown(ctx, e.nc, stepDownStream+s.CachedInfo().Config.Name, func() string {
			soon, cancel := context.WithTimeout(ctx, askAgain) // of a server that leads no more there is no answer
			defer cancel()
			info, err := s.Info(soon)
			if err != nil || info.Cluster == nil {
				return ""
			}
			return info.Cluster.Leader
		}))
	}
	system, err := e.Embedded.connect(userSystem)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	defer system.Close()
	return errors.Join(append(errs, e.stepDown(ctx, system, stepDownServers, func() string {
		info, err := e.Embedded.server.Jsz(nil)
		if err != nil || info.Meta == nil {
			return ""
		}
		return info.Meta.Leader
	}))...)
}

// askAgain is how long a server has to step down before it is asked once more: it may
// have found nobody who had everything.
const askAgain = 500 * time.Millisecond

// stepDown asks, if this server leads, and waits until another one does. leader is ""
// while none is known.
func (e *Engine) stepDown(ctx context.Context, nc *nats.Conn, subject string, leader func() string) error {
	var failed error
	for asked := (time.Time{}); ; {
		now := leader()
		if now != "" && now != e.Embedded.server.Name() {
			return nil
		}
		if now != "" && time.Since(asked) > askAgain {
			asked = time.Now()
			failed = ask(ctx, nc, subject, nil)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cluster: %s: %w", subject, errors.Join(ctx.Err(), failed))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// ask makes a request of the servers whose answer says no more than whether it failed.
func ask(ctx context.Context, nc *nats.Conn, subject string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, askAgain)
	defer cancel()
	reply, err := nc.RequestWithContext(ctx, subject, body)
	if err != nil {
		return err
	}
	var answer struct{ Error *js.APIError }
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return err
	}
	if answer.Error != nil {
		return answer.Error
	}
	return nil
}
