package jetstream

import (
	"context"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"
)

// Announce keeps the newest value of a key, for all to watch.
func (e *Engine) Announce(ctx context.Context, key string, value []byte) error {
	m := nats.NewMsg(e.subjects.set(key))
	m.Data = value
	_, err := e.write(ctx, m)
	return err
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
