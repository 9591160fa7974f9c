package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/core/cluster"
	"simplane/server/internal/admin"
	"simplane/server/internal/api"
	"simplane/server/internal/auth"
	"simplane/server/internal/http1"
	"simplane/server/internal/httpjson"
	"simplane/server/internal/machine"
	"simplane/server/internal/peer"
	"simplane/server/internal/replica"
)

// membership is what a server that is one of several in a cluster has.
type membership struct {
	s      *Server
	self   cluster.Member
	client *peer.Client
	router *peer.Router
	admin  *admin.Admin // of the node: figures over its partitions, the configuration that it follows
	server *http1.Server
	addr   net.Listener
	certs  *auth.Certificates // nil = no TLS between members
	node   atomic.Pointer[replica.Node]
	why    atomic.Pointer[string] // this node does not serve yet

	limiter *core.RateLimiter
	budget  core.Budget
	rateMu  sync.Mutex
	granter *cluster.Granter // nil where partition 0 is not
	grants  *partition       // whose granter it is
	granted uint64           // the latest window that it had granted of, when it ended

	domains core.Domains                      // of what the flight recorder has of all partitions
	replay  atomic.Pointer[core.ReplayConfig] // the same of all; nil before the first

	mu      sync.Mutex
	parts   map[*partition]struct{} // all that are not over
	parting sync.WaitGroup
	fatal   chan error
}

// Keys of what members announce to all.
const (
	configKey         = "runtime-config"
	completionKeyName = "completion-key"
)

// inCluster says whether this server is one of several.
func (c *Config) inCluster() bool { return c.Cluster != "" || c.ClusterEmbedded || c.onEngine != nil }

// holdTime is how long a request waits while no node answers for its partition,
// moveTime that while it is being handed over.
const (
	holdTime = time.Second
	moveTime = 5 * time.Second
)

// newMembership makes what answers before the node has joined.
func (s *Server) newMembership() (*membership, error) {
	c := &membership{s: s, parts: map[*partition]struct{}{}, fatal: make(chan error, 1), limiter: core.NewRateLimiter(s.cfg.Core.RateMaxPerSecond)}
	c.limiter.Share()
	var err error
	if c.certs, err = auth.LoadCertificates(s.cfg.PeerTLSCert, s.cfg.PeerTLSKey, s.cfg.PeerTLSCA, s.log); err != nil {
		return nil, fmt.Errorf("peerTlsCert, peerTlsKey, peerTlsCa: %w", err)
	}
	if c.addr, err = c.listen(); err != nil {
		return nil, err
	}
	var life [8]byte
	id := machine.RandomIDs{}.NewID()
	copy(life[:], id[:])
	c.self = cluster.Member{
		Name: s.cfg.ClusterName, Life: fmt.Sprintf("%x", life), Peer: s.cfg.PeerAdvertise, API: s.cfg.Addr, Version: s.cfg.Version,
	}
	if c.self.Peer == "" {
		c.self.Peer = c.addr.Addr().String()
	}
	if c.self.Name == "" {
		c.self.Name = c.self.Peer
	}
	o := peer.Options{Name: c.self.Name, CancelOnDisconnect: s.cfg.CancelOnDisconnect, MaxConns: s.cfg.PoolMaxConnections, MaxAnswer: 4*httpjson.MaxListBytes + s.cfg.MaxResponseBytes + s.cfg.MaxBodyBytes}
	if c.certs != nil {
		o.TLS = c.certs.ClientConfig()
	}
	c.client = peer.New(o)
	c.router = peer.NewRouter(peer.RouterOptions{
		Client: c.client, Owners: c, Log: s.log, Longest: core.MaxTimeoutMillis*time.Millisecond + time.Minute, Observe: newForwardCounter(s.metrics.Registry), Hold: holdTime, MoveHold: moveTime,
	})
	if s.cfg.hold > 0 {
		c.router.Hold, c.router.MoveHold = s.cfg.hold, s.cfg.hold
	}
	waiting := "joining the cluster"
	c.why.Store(&waiting)
	return c, nil
}

// front makes the handlers of the node: those that are answered where they are asked,
// and for each other one what has it answered where it belongs.
func (c *membership) front() (*api.API, []api.Route, []api.Route) {
	s := c.s
	c.admin = admin.New(admin.Options{
		Cores: s.cores, Log: s.log, Guard: s.guard, Lists: s.lists,
		MetricsError: s.deploying.MetricsError, LimitsError: func(*core.Function) string { return "" },
		NowMillis: func() int64 { return s.clock.Now().WallMillis() }, Lag: c.lag, Flight: s.flight, Cluster: c.status,
		Past: s.past.samples, Marks: s.past.marks, State: s.stateOf, Instances: s.instancesOf, ProviderOf: s.deploying.ProviderOf,
		Version: s.cfg.Version, Providers: s.cfg.Providers(), ProviderHealth: s.providerHealth, Journal: s.durable.state(),
	})
	answers := api.New(api.Options{
		Cores: c.sources, CoreOf: func(id core.ID) *core.Core { return c.coreOf(core.Partition(id[15])) }, Rollout: s.deploying.Rollout, Trouble: s.deploying.Trouble, ProviderHealth: s.providerHealth, ClusterHealth: c.health,
		Log: s.log, Guard: s.guard, Audit: s.audit, Dashboard: admin.Dashboard, Lists: s.lists, Profiles: s.profiles.Serve,
		Tracing: s.tracing, CheckEndpoint: s.egress.CheckHost, Draining: s.draining.Load, Unready: c.unready,
		AsyncEnabled: s.cfg.AsyncEnabled, AccessLogSample: s.cfg.AccessLogSample, Panicked: s.flight.Panicked,
		InternalOnMgmtOnly: s.cfg.InternalOnMgmtOnly, ManageOnMgmtOnly: s.cfg.ManageOnMgmtOnly, MetricsOnMgmtOnly: s.cfg.MetricsOnMgmtOnly,
	})
	c.router.Refuse = answers.RefuseUnread
	all := routes(answers, c.admin, s.metrics.Scraper())
	forMembers := append(c.router.Routes(all, true),
		api.Route{Scope: auth.ScopePublic, Method: "POST", Path: ratePath, Handle: api.NoArg(c.answerRate)},
		api.Route{Scope: auth.ScopePublic, Method: "POST", Path: outcomePath, Handle: api.NoArg(c.answerOutcome)},
		api.Route{Scope: auth.ScopePublic, Method: "POST", Path: lifePath, Handle: api.NoArg(c.answerLife)})
	return answers, c.router.Routes(all, false), forMembers
}

// join connects to the engine and begins to take partitions. It tries again until
// ctx ends.
func (c *membership) join(ctx context.Context) error {
	s := c.s
	engine, err := s.cfg.openEngine(ctx, c.self, s.log)
	if err != nil {
		return err
	}
	key := auth.NewCompletionKey()
	if err = c.once(ctx, engine, key[:]); err == nil {
		s.guard.UseCompletionKey(key)
		err = c.alone(ctx, engine)
	}
	if err != nil {
		return errors.Join(err, engine.Close())
	}
	timing := cluster.DefaultTiming()
	if s.cfg.onTiming != nil {
		s.cfg.onTiming(&timing)
	}
	node := replica.New(replica.Options{
		Engine: engine, Self: c.self, Timing: timing, Log: s.log, Open: c.openPartition, Granted: c.grantedBy, JournalTimeout: s.cfg.JournalTimeout, MaxBytes: s.cfg.JournalMaxBytes,
		Announced: func(key string, value []byte) {
			if key == configKey {
				c.follow(value)
			}
		},
		Gone: func(m cluster.Member) { c.client.Gone(m.Peer) },
		Stop: func(err error) {
			select {
			case c.fatal <- err:
			default:
			}
		},
	})
	s.metrics.Registry.MustRegister(node.Collectors()...)
	c.node.Store(node)
	node.Start()
	s.log.Info("joined the cluster", "node", c.self.Name, "peer", c.self.Peer)
	for !node.Ready() || !c.current(ctx, engine) {
		select {
		case <-ctx.Done():
			return nil
		case err := <-c.fatal:
			c.fatal <- err
			return nil
		case <-time.After(20 * time.Millisecond):
		}
	}
	c.why.Store(nil)
	return nil
}

// current says that this node's part of the engine has what the others have: were it
// counted on before, an update that goes from node to node would stop the next one while
// a majority does not have everything.
func (c *membership) current(ctx context.Context, engine replica.Engine) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	current, err := engine.Current(ctx)
	if err == nil && !current {
		behind := "this node's copy of what the cluster keeps is behind"
		c.why.Store(&behind)
	}
	return err == nil && current
}

// follow puts a configuration that is stored in force on this node.
func (c *membership) follow(raw []byte) {
	if err := c.admin.Follow(raw); err != nil {
		c.s.log.Error("the announced configuration was not followed", "error", err)
	}
}

// announce does so, and tells the other nodes.
func (c *membership) announce(revision int64, raw []byte) {
	c.follow(raw)
	c.node.Load().Announce(configKey, uint64(revision), raw)
}

// unready says why this node serves nothing; "" = it does.
func (c *membership) unready() string {
	switch node := c.node.Load(); {
	case c.why.Load() != nil:
		return *c.why.Load()
	case !node.Leased():
		return "cut off from the cluster's engine"
	}
	return ""
}

// health is nil, or says that this node keeps partitions closed.
func (c *membership) health() error {
	node := c.node.Load()
	if node == nil {
		return nil
	}
	n := 0
	for _, closed := range node.View().Closed {
		if closed {
			n++
		}
	}
	if n > 0 {
		return fmt.Errorf("%d of %d partitions are kept closed by this node: the log and simplane cluster status --partitions say why", n, cluster.Partitions)
	}
	return nil
}

// whileJoining answers in place of next until this node is a member.
func (c *membership) whileJoining(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		if c.node.Load() != nil {
			next(ctx)
			return
		}
		switch path := string(ctx.Path()); path {
		case "/actuator/health", "/actuator/health/liveness", "/actuator/health/readiness":
			next(ctx)
		default:
			ctx.Response.Header.Set("Retry-After", "1")
			ctx.SetConnectionClose() // the body, if there is one, was not read
			httpjson.WriteError(ctx, fasthttp.StatusServiceUnavailable, api.CodeNoOwner, "this node has not joined the cluster yet; retry")
		}
	}
}

// leave hands everything over, and waits until calls that run here have ended.
func (c *membership) leave() error {
	ctx, cancel := context.WithTimeout(context.Background(), c.s.cfg.ShutdownGrace)
	defer cancel()
	node := c.node.Load()
	if node == nil {
		return nil
	}
	left := node.Leave(ctx)
	over := make(chan struct{})
	go func() {
		c.parting.Wait()
		close(over)
	}()
	select {
	case <-over:
	case <-ctx.Done():
		c.s.log.Warn("calls still run that were accepted; the next owners go on with those that are durable")
	}
	// Others may still send what they took this node for the owner of: it is told
	// otherwise, and not cut short.
	time.Sleep(lameTime)
	if left != nil {
		return fmt.Errorf("not all partitions were handed over within the grace period: the others take them over when this node's lease has ended")
	}
	return nil
}

// lameTime is how long a node that has left goes on to say that it owns nothing.
const lameTime = 300 * time.Millisecond

// closeEarly is close before anything was served; on nil it does nothing.
func (c *membership) closeEarly() error {
	if c == nil {
		return nil
	}
	c.client.Close()
	return c.addr.Close()
}

func (c *membership) close() error {
	var err error
	if node := c.node.Load(); node != nil {
		err = node.Close()
	}
	c.client.Close()
	return err
}

// add makes a partition's core be among the node's, remove ends that.
func (c *membership) add(p *partition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.parts[p] = struct{}{}
}

func (c *membership) remove(p *partition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.parts, p)
}

// newForwardCounter counts the requests that were passed on.
func newForwardCounter(r prometheus.Registerer) func(outcome string) {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "simplane_cluster_forwarded_total",
		Help: "Requests passed on to the node that owns their partition, by outcome: answered, unreachable (not sent, or only read; tried again), not_owner, lost (503 OWNER_LOST), or caller_left (of raw calls).",
	}, []string{"outcome"})
	r.MustRegister(v)
	known := map[string]prometheus.Counter{}
	for _, outcome := range []string{"answered", "unreachable", "not_owner", "lost", "caller_left"} {
		known[outcome] = v.WithLabelValues(outcome)
	}
	return func(outcome string) { known[outcome].Inc() }
}

// open are the partitions that answer here, in their order.
func (c *membership) open() []*partition {
	node := c.node.Load()
	if node == nil {
		return nil
	}
	var list []*partition
	for id := range cluster.Partitions {
		if p, ok := node.Instance(core.Partition(id)).(*partition); ok {
			list = append(list, p)
		}
	}
	return list
}

func (c *membership) sources() (list []api.Source) {
	for _, p := range c.open() {
		list = append(list, api.Source{Core: p.core, Stored: p.answers.Stored})
	}
	return list
}

// cores are those that functions' metrics and memory are counted of: of two of one
// partition the one that is not given up.
func (c *membership) cores() []*core.Core {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]*core.Core, 0, len(c.parts))
	for p := range c.parts {
		if p.State() == peer.Open {
			list = append(list, p.core)
		}
	}
	return list
}

// coreOf is the core of a partition; nil when it is not here.
func (c *membership) coreOf(id core.Partition) *core.Core {
	c.mu.Lock()
	defer c.mu.Unlock()
	for p := range c.parts {
		if p.id == id && p.State() == peer.Open {
			return p.core
		}
	}
	return nil
}

func (c *membership) lag() int64 {
	if node := c.node.Load(); node != nil {
		return node.Lag()
	}
	return 0
}

// at is the partition, if it is answered here; nil when it is not.
func (c *membership) at(id core.Partition) *partition {
	node := c.node.Load()
	if node == nil {
		return nil
	}
	p, _ := node.Instance(id).(*partition)
	return p
}

// Local implements peer.Owners.
func (c *membership) Local(id core.Partition) peer.Local {
	if p := c.at(id); p != nil {
		return p
	}
	return nil
}

// Owner implements peer.Owners.
func (c *membership) Owner(id core.Partition) string {
	node := c.node.Load()
	if node == nil {
		return ""
	}
	if owner := &node.View().Owners[id]; owner.Life != c.self.Life {
		return owner.Peer
	}
	return ""
}

// Self implements peer.Owners.
func (c *membership) Self() string { return c.self.Peer }

// Mine implements peer.Owners.
func (c *membership) Mine(id core.Partition) bool {
	node := c.node.Load()
	return node != nil && node.View().Mine[id]
}

// Closed implements peer.Owners.
func (c *membership) Closed(id core.Partition) bool {
	node := c.node.Load()
	return node != nil && node.View().Closed[id]
}

// Moving implements peer.Owners.
func (c *membership) Moving(id core.Partition) bool {
	node := c.node.Load()
	return node != nil && node.View().Moving[id]
}

// Others implements peer.Owners.
func (c *membership) Others() (addrs []string) {
	node := c.node.Load()
	if node == nil {
		return nil
	}
	for _, m := range node.View().Members {
		if m.Alive && m.Life != c.self.Life && !slices.Contains(addrs, m.Peer) {
			addrs = append(addrs, m.Peer)
		}
	}
	return addrs
}

// Open implements peer.Owners.
func (c *membership) Open() (s peer.Partitions) {
	for _, p := range c.open() {
		s.Add(p.id)
	}
	return s
}

// Changed implements peer.Owners.
func (c *membership) Changed() <-chan struct{} {
	if node := c.node.Load(); node != nil {
		return node.View().Changed()
	}
	return nil
}
