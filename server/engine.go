package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/nats-io/nats.go"

	"simplane/core/cluster"
	"simplane/server/internal/deploy"
	"simplane/server/internal/jetstream"
	"simplane/server/internal/replica"
)

// openEngine connects to what the nodes of the cluster share, and begins it in this
// process if that is asked for. It tries again until ctx ends, but for what will not
// get better.
func (c *Config) openEngine(ctx context.Context, self cluster.Member, log *slog.Logger) (replica.Engine, error) {
	if c.onEngine != nil {
		return c.onEngine(self)
	}
	o := jetstream.Options{URL: c.Cluster, Name: c.ClusterStream, Replicas: c.ClusterReplicas, Unsafe: c.ClusterUnsafe, MaxBytes: c.streamBytes(), MaxFact: c.maxFact(), Log: log}
	if c.ClusterEmbedded {
		return c.embedEngine(ctx, o, log)
	}
	for key, file := range map[string]string{"clusterCreds": c.ClusterCreds, "clusterSystemCreds": c.ClusterSystemCreds} {
		if file == "" {
			continue
		}
		if _, err := os.ReadFile(file); err != nil { // not later, when it is tried again and again
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	security, err := c.clusterTLS()
	if err != nil {
		return nil, err
	}
	if security != nil {
		o.Connection = append(o.Connection, nats.Secure(security))
	}
	if c.ClusterSystem != "" {
		o.SystemURL, o.SystemConnection = c.ClusterSystem, slices.Clone(o.Connection)
	}
	if c.ClusterSystemCreds != "" {
		o.SystemConnection = append(o.Connection[:len(o.Connection):len(o.Connection)], nats.UserCredentials(c.ClusterSystemCreds))
	}
	if c.ClusterCreds != "" {
		o.Connection = append(o.Connection, nats.UserCredentials(c.ClusterCreds))
	}
	return jetstream.Connect(ctx, o)
}

// embedEngine runs a server of the engine in this process.
func (c *Config) embedEngine(ctx context.Context, o jetstream.Options, log *slog.Logger) (_ replica.Engine, err error) {
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("dataDir: %w", err)
	}
	lock, err := vfs.Default.Lock(filepath.Join(c.DataDir, "cluster.lock"))
	if err != nil {
		return nil, fmt.Errorf("dataDir: %s is in use by another process, or cannot be locked: each node needs one of its own: %w", c.DataDir, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, lock.Close())
		}
	}()
	if err = c.claimDataDir(); err != nil {
		return nil, err
	}
	e := jetstream.EmbedOptions{
		Name: c.ClusterName, Listen: c.ClusterAddr, Peers: listOf(c.ClusterPeers), Dir: filepath.Join(c.DataDir, "engine"), MaxPayload: c.maxMessage(), MaxStream: c.streamBytes(), Log: log,
	}
	if e.TLS, err = c.clusterTLS(); err != nil {
		return nil, err
	}
	if o.Embedded, err = jetstream.Embed(e); err != nil {
		return nil, err
	}
	log.Info("waiting for the other nodes' servers", "listen", c.ClusterAddr, "peers", c.ClusterPeers)
	err = o.Embedded.Ready(ctx)
	var connected *jetstream.Engine
	if err == nil {
		connected, err = jetstream.Connect(ctx, o)
	}
	if err != nil {
		o.Embedded.Shutdown()
		return nil, err
	}
	return &embeddedEngine{connected, o.Embedded, lock}, nil
}

// embeddedEngine is an engine whose server ends with it.
type embeddedEngine struct {
	*jetstream.Engine
	server *jetstream.Embedded
	lock   io.Closer
}

// Close implements replica.Engine.
func (e *embeddedEngine) Close() error {
	err := e.Engine.Close()
	e.server.Shutdown()
	return errors.Join(err, e.lock.Close())
}

// largestMessage is the most that the embedded server takes as one message.
const largestMessage = 64 << 20

// maxMessage is the size of the engine's messages: the largest body has to go into
// one, beside all that comes with it.
func (c *Config) maxMessage() int {
	return min(max(10<<20, 2*max(c.MaxBodyBytes, c.MaxResponseBytes)+4<<20), largestMessage)
}

// maxFact is the size of what is stored as one: an input or an output with what comes with
// a call, or a function's spec with its earlier revisions.
func (c *Config) maxFact() int {
	return max(c.MaxBodyBytes, c.MaxResponseBytes, deploy.MaxStoredBytes) + c.MaxHeaderBytes + 64<<10
}

// clusterTLS has the certificate that is shown to servers of the engine, and by those to
// one another, and the authority of theirs; nil without either.
func (c *Config) clusterTLS() (*tls.Config, error) {
	if c.ClusterTLSCert == "" && c.ClusterTLSCA == "" {
		return nil, nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.RequireAndVerifyClientCert}
	if c.ClusterTLSCert != "" {
		pair, err := tls.LoadX509KeyPair(c.ClusterTLSCert, c.ClusterTLSKey)
		if err != nil {
			return nil, fmt.Errorf("clusterTlsCert, clusterTlsKey: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	if c.ClusterTLSCA != "" {
		pem, err := os.ReadFile(c.ClusterTLSCA)
		if err != nil {
			return nil, fmt.Errorf("clusterTlsCa: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("clusterTlsCa: %s holds no PEM certificate", c.ClusterTLSCA)
		}
		t.RootCAs, t.ClientCAs = pool, pool
	}
	return t, nil
}

// streamBytes bounds what the engine's stream takes on each server, when it is made: as
// much again as new work may take, for what was accepted to end.
func (c *Config) streamBytes() int64 { return 2 * c.JournalMaxBytes }
