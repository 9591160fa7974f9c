package jetstream

import (
	"context"
	"errors"
	"strings"

	js "github.com/nats-io/nats.go/jetstream"

	"simplane/core"
	"simplane/core/cluster"
)

// Read calls each for the frames of p that are kept, from the place from on, in
// their order, until it meets the ownership record at until or each's error, which it
// returns. until 0 = until each returns one. data is valid during the call.
//
// A newer record than the one at until ends it too: that one is gone then, and all
// frames before it have been read. Whatever server it reads from, it does not end
// before.
func (e *Engine) Read(ctx context.Context, p core.Partition, from uint64, until cluster.Fence, each func(at uint64, data []byte) error) error {
	if until != 0 && from > uint64(until) {
		return nil
	}
	next := max(from, 1)
	f := follower{
		e: e, stream: e.frames,
		filters: []string{e.subjects.frames(p), e.subjects.own(p)},
		begin:   func() (js.DeliverPolicy, uint64) { return js.DeliverByStartSequencePolicy, next },
		each: func(m js.Msg, at, _ uint64) error {
			if at < next {
				return nil
			}
			next = at + 1
			past := until != 0 && at >= uint64(until)
			switch own := strings.HasPrefix(m.Subject(), e.subjects.ownPrefix()); {
			case own && past:
				return errEnd
			case own || past:
				return nil
			}
			return each(at, m.Data())
		},
	}
	if err := f.run(ctx); !errors.Is(err, errEnd) {
		return err
	}
	return nil
}

// Next is the oldest frame of p that is kept from the place on, as the server knows it
// that leads the stream, or believes so: at 0 = it knows of none.
func (e *Engine) Next(ctx context.Context, p core.Partition, from uint64) (at uint64, data []byte, err error) {
	var m *js.RawStreamMsg
	err = patiently(ctx, func(ctx context.Context) error {
		m, err = e.frames.GetMsg(ctx, max(from, 1), js.WithGetMsgSubject(e.subjects.frames(p)))
		return err
	}, passing)
	switch {
	case errors.Is(err, js.ErrMsgNotFound):
		return 0, nil, nil
	case err != nil:
		return 0, nil, err
	}
	return m.Sequence, m.Data, nil
}

// Purge removes the frames of p that are before a place.
func (e *Engine) Purge(ctx context.Context, p core.Partition, before uint64) error {
	if before <= 1 { // 0 would mean all
		return nil
	}
	return patiently(ctx, func(ctx context.Context) error {
		return e.frames.Purge(ctx, js.WithPurgeSubject(e.subjects.frames(p)), js.WithPurgeSequence(before))
	}, passing)
}

// newest is the newest message of a subject, as the server knows it that leads the
// stream, or believes so; nil = there is none.
func (e *Engine) newest(ctx context.Context, s js.Stream, subject string) (m *js.RawStreamMsg, err error) {
	err = patiently(ctx, func(ctx context.Context) error {
		m, err = s.GetLastMsgForSubject(ctx, subject)
		return err
	}, passing)
	if errors.Is(err, js.ErrMsgNotFound) {
		return nil, nil
	}
	return m, err
}
