package jetstream

import (
	"context"
	"strconv"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"
)

// headerVersion is the version of what is announced. Without it that is 0.
const headerVersion = "Simplane-Version"

// Announce keeps the value of a key that has the highest version, for all to watch: it is
// written in place of an older one only. An announcement that was on its way for long may
// come after a newer one of another member.
func (e *Engine) Announce(ctx context.Context, key string, version uint64, value []byte) error {
	subject := e.subjects.set(key)
	for {
		newest, err := e.newest(ctx, e.nodes, subject)
		if err != nil {
			return err
		}
		m := nats.NewMsg(subject)
		m.Data = value
		m.Header.Set(headerVersion, strconv.FormatUint(version, 10))
		m.Header.Set(js.ExpectedLastSubjSeqHeader, "0")
		if newest != nil {
			if kept, err := strconv.ParseUint(newest.Header.Get(headerVersion), 10, 64); err == nil && kept >= version {
				return nil
			}
			m.Header.Set(js.ExpectedLastSubjSeqHeader, strconv.FormatUint(newest.Sequence, 10))
		}
		// Where it is refused another one was written meanwhile, or this one was, and its
		// answer is lost.
		if _, err = e.write(ctx, m); !isWrongLast(err) {
			return err
		}
	}
}

// Once stores value unless the key has one, and returns the one it has.
func (e *Engine) Once(ctx context.Context, key string, value []byte) ([]byte, error) {
	m := nats.NewMsg(e.subjects.set(key))
	m.Data = value
	m.Header.Set(js.ExpectedLastSubjSeqHeader, "0")
	for {
		_, err := e.write(ctx, m)
		if !isWrongLast(err) {
			return value, err
		}
		// nil: whoever answered does not know yet what the one who refused knows.
		newest, err := e.newest(ctx, e.nodes, m.Subject)
		if err != nil {
			return nil, err
		}
		if newest != nil {
			return newest.Data, nil
		}
	}
}
