package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"
)

const (
	// idle is how long nothing may come before the consumer is asked whether
	// anything was lost on the way.
	idle         = 3 * time.Second
	inactive     = time.Minute // after which a server removes an abandoned consumer
	pullMessages = 256
)

// follower reads messages of a stream in the order of the stream. Its consumer may
// be lost with its server, and messages on their way to us: then it makes another
// one. What it has already seen may come again from a server that is behind.
type follower struct {
	e       *Engine
	stream  js.Stream
	filters []string
	// begin is called before each consumer and says where that starts.
	begin func() (js.DeliverPolicy, uint64)
	// ready is called with a consumer's number of waiting messages before the first.
	ready func(waiting uint64)
	// each is called for each message; pending is how many are waiting behind it. An
	// error ends everything.
	each func(m js.Msg, at, pending uint64) error
}

// errEnd is of each when enough has been read.
var errEnd = errors.New("enough was read")

// run reads until each returns an error, which it returns, or ctx ends.
func (f *follower) run(ctx context.Context) error {
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		began := time.Now()
		ended, err := f.once(ctx)
		if ended {
			return err
		}
		f.e.Log.Debug("cluster: reading is begun again", "stream", f.stream.CachedInfo().Config.Name, "error", err)
		if time.Since(began) > time.Second {
			pause = 10 * time.Millisecond
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", ctx.Err(), err)
		case <-f.e.closed:
			return fmt.Errorf("cluster: %w", nats.ErrConnectionClosed)
		case <-time.After(pause):
		}
	}
}

// once reads with one consumer. ended says that err is each's.
func (f *follower) once(ctx context.Context) (ended bool, err error) {
	policy, from := f.begin()
	soon, cancel := context.WithTimeout(ctx, firstWait)
	defer cancel()
	c, err := f.stream.CreateConsumer(soon, js.ConsumerConfig{
		FilterSubjects:    f.filters,
		DeliverPolicy:     policy,
		OptStartSeq:       from,
		AckPolicy:         js.AckNonePolicy,
		MaxDeliver:        1,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: inactive,
	})
	if err != nil {
		return false, err
	}
	defer func() {
		// Without an answer the server removes it in a while.
		soon, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = f.stream.DeleteConsumer(soon, c.CachedInfo().Name)
	}()
	messages, err := c.Messages(
		js.PullMaxMessagesWithBytesLimit(pullMessages, int(max(2*f.e.nc.MaxPayload(), 4<<20))),
		js.PullHeartbeat(idle), js.PullExpiry(4*idle))
	if err != nil {
		return false, err
	}
	defer messages.Stop()
	defer context.AfterFunc(ctx, messages.Stop)()
	if f.ready != nil {
		f.ready(c.CachedInfo().NumPending)
	}
	var seen, suspect uint64
	for {
		m, err := messages.Next(js.NextMaxWait(idle))
		if errors.Is(err, nats.ErrTimeout) {
			sent, err := f.sent(ctx, c)
			if err == nil && sent > seen && suspect == sent {
				err = errLost
			}
			if err != nil {
				return false, err
			}
			suspect = sent // it may be still on its way
			continue
		}
		if err != nil {
			return false, err
		}
		meta, err := m.Metadata()
		if err != nil {
			return false, err
		}
		if seen++; meta.Sequence.Consumer != seen {
			return false, errLost
		}
		if err := f.each(m, meta.Sequence.Stream, meta.NumPending); err != nil {
			return true, err
		}
	}
}

var errLost = errors.New("messages were lost on the way from the engine")

// sent asks a consumer how many messages it has sent.
func (f *follower) sent(ctx context.Context, c js.Consumer) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, firstWait)
	defer cancel()
	info, err := c.Info(ctx)
	if err != nil {
		return 0, err
	}
	return info.Delivered.Consumer, nil
}
