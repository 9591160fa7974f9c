package jetstream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"
)

const (
	// heartbeat is how often a server says that nothing has come; without two of them
	// the consumer is given up. Every idle it is asked how many messages it has sent,
	// since a lost one is noticed by the next message only.
	heartbeat    = time.Second
	idle         = 3 * time.Second
	answerWait   = 3 * time.Second // for what is asked of a consumer or its making
	inactive     = time.Minute     // after which a server removes an abandoned consumer
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
	soon, cancel := context.WithTimeout(ctx, answerWait)
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
	if f.ready != nil {
		f.ready(c.CachedInfo().NumPending)
	}
	r := reading{each: f.each, over: make(chan struct{})}
	defer r.end(false, nil) // nothing is told once this has returned
	consuming, err := c.Consume(r.message,
		js.PullMaxMessagesWithBytesLimit(pullMessages, int(max(2*f.e.nc.MaxPayload(), 4<<20))),
		js.PullHeartbeat(heartbeat), js.PullExpiry(10*heartbeat),
		js.ConsumeErrHandler(func(_ js.ConsumeContext, err error) { r.end(false, err) }))
	if err != nil {
		return false, err
	}
	defer consuming.Stop()
	look := time.NewTicker(idle)
	defer look.Stop()
	var sent, seen uint64 // as of the last look
	for {
		select {
		case <-r.over:
			return r.ended, r.err
		case <-ctx.Done():
			return false, ctx.Err()
		case <-look.C:
		}
		// What was sent before the last look must have come, or still be coming.
		now := r.progress()
		if now < sent && now == seen {
			return false, errLost
		}
		seen = now
		if sent, err = f.sent(ctx, c); err != nil {
			return false, err
		}
	}
}

// reading is what one consumer has brought so far.
type reading struct {
	each func(m js.Msg, at, pending uint64) error

	mu    sync.Mutex // held while each is called
	seen  uint64
	over  chan struct{}
	ended bool
	err   error
}

func (r *reading) end(ended bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.endLocked(ended, err)
}

// endLocked keeps the first reason.
func (r *reading) endLocked(ended bool, err error) {
	select {
	case <-r.over:
	default:
		r.ended, r.err = ended, err
		close(r.over)
	}
}

// progress is how many messages have come, when each has done with the last.
func (r *reading) progress() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen
}

func (r *reading) message(m js.Msg) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.over:
		return
	default:
	}
	meta, err := m.Metadata()
	if err == nil && meta.Sequence.Consumer != r.seen+1 {
		err = errLost
	}
	r.seen++
	if err != nil {
		r.endLocked(false, err)
	} else if err := r.each(m, meta.Sequence.Stream, meta.NumPending); err != nil {
		r.endLocked(true, err)
	}
}

var errLost = errors.New("messages were lost on the way from the engine")

// sent asks a consumer how many messages it has sent.
func (f *follower) sent(ctx context.Context, c js.Consumer) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	info, err := c.Info(ctx)
	if err != nil {
		return 0, err
	}
	return info.Delivered.Consumer, nil
}
