package jetstream

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// EmbedOptions describes a NATS server inside this process.
type EmbedOptions struct {
	// Name is the node's, another one on each.
	Name string
	// Listen is the host:port at which the other servers reach this one. Peers are
	// those of all servers, this one's too: their number is that of the cluster.
	Listen string
	Peers  []string
	// Dir is where messages are kept, for ever under the same name.
	Dir string
	// MaxPayload is the most bytes of a message, from 64 KiB to 64 MiB. 0 = 10 MiB.
	MaxPayload int
	// MaxStream is that of Options.MaxBytes. What is in Dir may be more, and at least
	// 128 GiB.
	MaxStream int64
	// TLS is needed off loopback. It has this server's certificate, RootCAs, ClientCAs
	// and RequireAndVerifyClientCert: both sides of a connection show one.
	TLS *tls.Config
	// Log is told what the server does. nil = nobody.
	Log *slog.Logger
}

const (
	defaultMaxPayload = 10 << 20
	leastMaxStore     = 128 << 30
	// maxMemory bounds streams in memory, of which there are none but readers' notes.
	maxMemory = 64 << 20

	clusterName = "simplane"
	userEngine  = "engine"
	userSystem  = "system"
)

// Embedded is a NATS server inside this process. Other servers reach it, clients
// only from inside.
type Embedded struct {
	server   *server.Server
	log      *serverLog
	password string
}

// Embed starts a server. Every write is synced to disk before it is acknowledged.
// The server joins the others in the background, see Ready.
func Embed(o EmbedOptions) (*Embedded, error) {
	so, err := o.serverOptions()
	if err != nil {
		return nil, err
	}
	e := &Embedded{password: rand.Text()}
	system := server.NewAccount(server.DEFAULT_SYSTEM_ACCOUNT)
	so.Accounts = []*server.Account{system}
	so.SystemAccount = system.Name
	inside := map[string]struct{}{jwt.ConnectionTypeInProcess: {}}
	so.Users = []*server.User{
		{Username: userEngine, Password: e.password, AllowedConnectionTypes: inside},
		{Username: userSystem, Password: e.password, AllowedConnectionTypes: inside, Account: system},
	}
	// Without a user for those who name none the server makes one up.
	so.NoAuthUser = userEngine
	shortenElections(o.Log)
	if e.server, err = server.NewServer(so); err != nil {
		return nil, fmt.Errorf("cluster: the server inside: %w", err)
	}
	e.log = newServerLog(cmp.Or(o.Log, slog.New(slog.DiscardHandler)), o.Name)
	e.server.SetLoggerV2(e.log, false, false, false)
	e.server.Start()
	if !e.server.ReadyForConnections(10 * time.Second) {
		e.Shutdown()
		return nil, fmt.Errorf("cluster: the server inside does not come up at %s", o.Listen)
	}
	return e, nil
}

func (o EmbedOptions) serverOptions() (*server.Options, error) {
	if o.MaxPayload == 0 {
		o.MaxPayload = defaultMaxPayload
	}
	host, port, err := hostPort(o.Listen)
	switch {
	case o.Name == "":
		return nil, errors.New("cluster: the server inside needs a name")
	case o.Dir == "":
		return nil, errors.New("cluster: the server inside needs a directory")
	case err != nil:
		return nil, fmt.Errorf("cluster: address of the server inside: %w", err)
	case o.MaxPayload < 64<<10 || o.MaxPayload > 64<<20:
		return nil, fmt.Errorf("cluster: messages of %d bytes: from 64 KiB to 64 MiB are possible", o.MaxPayload)
	case len(o.Peers) < 3:
		return nil, fmt.Errorf("cluster: %d servers: at least three are needed, this one included", len(o.Peers))
	}
	var routes []*url.URL
	seen := map[string]bool{}
	for _, peer := range o.Peers {
		h, _, err := hostPort(peer)
		switch {
		case err != nil:
			return nil, fmt.Errorf("cluster: address of another server: %w", err)
		case seen[peer]:
			return nil, fmt.Errorf("cluster: server %s is named twice", peer)
		case o.TLS == nil && !loopback(h):
			return nil, fmt.Errorf("cluster: server %s is not on this machine: without certificates anybody could join", peer)
		}
		seen[peer] = true
		routes = append(routes, &url.URL{Scheme: "nats", Host: peer})
	}
	switch {
	case o.TLS == nil && !loopback(host):
		return nil, fmt.Errorf("cluster: others than this machine reach %s: without certificates anybody could join", o.Listen)
	case o.TLS != nil && o.TLS.ClientAuth != tls.RequireAndVerifyClientCert:
		return nil, errors.New("cluster: servers must ask each other for a certificate")
	}
	return &server.Options{
		ServerName: o.Name,
		NoSigs:     true,
		// A server opens no routes unless it listens for clients. Nobody can log in
		// there: both users may connect from inside the process only.
		Host: "127.0.0.1",
		Port: server.RANDOM_PORT,
		Cluster: server.ClusterOpts{
			Name: clusterName, Host: host, Port: port, TLSConfig: o.TLS, TLSTimeout: 5,
			PingInterval: 2 * time.Second, MaxPingsOut: 2, NoAdvertise: true,
		},
		Routes:             routes,
		JetStream:          true,
		StoreDir:           o.Dir,
		SyncAlways:         true,
		JetStreamMaxMemory: maxMemory,
		JetStreamMaxStore:  max(leastMaxStore, o.MaxStream+2*nodesMaxBytes),
		MaxPayload:         int32(o.MaxPayload),
		MaxPending:         int64(max(server.MAX_PENDING_SIZE, 8*o.MaxPayload)),
	}, nil
}

func hostPort(address string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(p, 10, 16)
	if err != nil || n == 0 || host == "" {
		return "", 0, fmt.Errorf("address %s: a host and a port from 1 to 65535 are needed", address)
	}
	return host, int(n), nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Ready waits until one of the servers leads. That takes a majority of them, but all
// when they start for the first time: servers without anything stored do not know
// whether the missing ones have more.
//
// The error is at once when another server of the cluster has this one's name.
func (e *Embedded) Ready(ctx context.Context) error {
	told := time.Now()
	for {
		info, err := e.server.Jsz(nil)
		switch {
		case err != nil:
			return fmt.Errorf("cluster: the server inside: %w", err)
		case info.Disabled:
			return errors.New("cluster: the server inside has given up its storage; its log says why")
		case info.Meta != nil && info.Meta.Leader != "":
			return nil
		case e.log.twice.Load():
			return fmt.Errorf("cluster: another server of the cluster has the name %q, too: give each node a --cluster-name of its own", e.server.Name())
		}
		if time.Since(told) >= waitingPace {
			e.tellWaiting()
			told = time.Now()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cluster: the servers have no leader. A majority of them is needed, and all for the very first start: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// waitingPace is how often the log is told what Ready waits for.
const waitingPace = 10 * time.Second

// tellWaiting has the log say what Ready waits for.
func (e *Embedded) tellWaiting() {
	reached := []string{e.server.Name()}
	if routes, err := e.server.Routez(nil); err == nil {
		for _, r := range routes.Routes {
			reached = append(reached, r.RemoteName)
		}
	}
	slices.Sort(reached)
	e.log.to.Warn("the cluster's servers have no leader yet: a majority of them is needed, and all for the very first start", "reached", strings.Join(slices.Compact(reached), ", "))
}

// Shutdown hands over what this server leads, and ends it.
func (e *Embedded) Shutdown() {
	e.server.Shutdown()
	e.server.WaitForShutdown()
}

func (e *Embedded) connect(user string, opts ...nats.Option) (*nats.Conn, error) {
	nc, err := nats.Connect("", append(opts, nats.InProcessServer(e.server), nats.UserInfo(user, e.password))...)
	if err != nil {
		return nil, fmt.Errorf("cluster: connection to the server inside: %w", err)
	}
	return nc, nil
}
