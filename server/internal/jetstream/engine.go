package jetstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"simplane/server/internal/replica"
)

var _ replica.Engine = (*Engine)(nil)

// Engine is replica.Engine over two streams.
type Engine struct {
	Options
	subjects subjects
	nc       *nats.Conn
	js       js.JetStream
	frames   js.Stream
	nodes    js.Stream

	pending pending
	elected elected

	renewing sync.Mutex
	member   ownRecord // guarded by renewing

	closed chan struct{} // closed by Close
}

// Connect opens the streams, and creates them if there are none. Until ctx ends it
// tries again while no server answers or none leads. It refuses servers whose
// acknowledgement does not mean that a message is on disk, see Options.Unsafe.
func Connect(ctx context.Context, o Options) (*Engine, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	e := &Engine{Options: o, subjects: subjects{o.Name}, closed: make(chan struct{})}
	if e.nc, err = o.connect(ctx); err != nil {
		return nil, err
	}
	if err := e.open(ctx); err != nil {
		e.nc.Close()
		return nil, err
	}
	return e, nil
}

func (e *Engine) open(ctx context.Context) (err error) {
	if e.MaxFact > e.largest() {
		return fmt.Errorf("cluster: the NATS servers take messages of %d bytes (max_payload), and one may have to hold %d: raise max_payload, or lower maxBodyBytes and maxResponseBytes", e.nc.MaxPayload(), e.MaxFact+headRoom)
	}
	if e.js, err = js.New(e.nc); err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	if err := e.elected.subscribe(e.nc, e.frameStream().Name, e.nodeStream().Name); err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	err = patiently(ctx, func(ctx context.Context) error {
		if e.frames, err = openStream(ctx, e.js, e.frameStream()); err == nil {
			e.nodes, err = openStream(ctx, e.js, e.nodeStream())
		}
		return err
	}, passing)
	if err == nil && !e.Unsafe {
		err = e.checkServers(ctx)
	}
	if err != nil {
		return err
	}
	return e.steer()
}

// Close ends the connection. Calls under way fail. It is called once.
func (e *Engine) Close() error {
	close(e.closed)
	e.nc.Close()
	return nil
}

// MaxFrame is the most bytes of a frame with several facts: half of what the servers take
// as one message.
func (e *Engine) MaxFrame() int { return int(e.nc.MaxPayload() / 2) }

// headRoom is what a message takes beside a frame, at most.
const headRoom = 4 << 10

// largest is the most bytes of a frame with one fact.
func (e *Engine) largest() int { return int(e.nc.MaxPayload()) - headRoom }

// connect opens the connection that the engine works on.
func (o Options) connect(ctx context.Context) (*nats.Conn, error) {
	if o.Embedded != nil {
		return o.Embedded.connect(userEngine, o.connection()...)
	}
	return o.dial(ctx, o.URL, append(o.connection(), o.Connection...))
}

// connection are the options of any connection: it is opened again for ever, and
// keeps nothing to be sent later, which would arrive when nobody waits for it.
func (o Options) connection() []nats.Option {
	log := o.Log
	return []nats.Option{
		nats.Name("simplane"),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectBufSize(-1),
		nats.PingInterval(2 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(func(c *nats.Conn, err error) {
			if !c.IsClosed() { // not by this process itself
				log.Warn("cluster: connection to the engine lost", "error", err)
			}
		}),
		nats.ReconnectHandler(func(c *nats.Conn) {
			log.Info("cluster: connected to the engine again", "server", Redacted(c.ConnectedUrl()))
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Warn("cluster: connection to the engine", "error", err)
		}),
	}
}

// dial connects, and tries again until ctx ends while nobody listens.
func (o Options) dial(ctx context.Context, urls string, opts []nats.Option) (nc *nats.Conn, err error) {
	told := false
	err = patiently(ctx, func(context.Context) error {
		nc, err = nats.Connect(urls, opts...)
		return err
	}, func(err error) bool {
		if stays(err) {
			return false
		}
		if !told {
			told = true
			o.Log.Warn("cluster: no NATS server is reached; this is tried until one is", "servers", Redacted(urls), "error", err)
		}
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("cluster: no NATS server of %s: %w", Redacted(urls), err)
	}
	return nc, nil
}

// stays says that an attempt to connect fails as often as it is made: the servers do not
// know the user, or one side does not trust the other's certificate.
func stays(err error) bool {
	var verify *tls.CertificateVerificationError
	var alert tls.AlertError
	var noTLS tls.RecordHeaderError
	return errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) || errors.Is(err, nats.ErrSecureConnWanted) || errors.Is(err, nats.ErrSecureConnRequired) ||
		errors.As(err, &verify) || errors.As(err, &alert) || errors.As(err, &noTLS)
}
