package server

import (
	"time"

	"simplane/core"
	"simplane/core/cluster"
	"simplane/server/internal/auth"
	"simplane/server/internal/journal/pebblelog"
	"simplane/server/internal/machine"
	"simplane/server/internal/replica"
	"simplane/server/provider"
	"simplane/server/provider/process"
)

// Config has every setting of `simplane serve`.
type Config struct {
	// Addr serves the API, MgmtAddr health, metrics and administration. Port
	// 0 picks a free port.
	Addr, MgmtAddr string

	Core core.Config
	// AsyncEnabled false answers :enqueue with 501.
	AsyncEnabled bool
	// CancelOnDisconnect ends the queued call of a caller who has closed the
	// connection as CANCELLED when its turn comes. False runs it.
	CancelOnDisconnect bool
	// InternalOnMgmtOnly removes /v1/internal and /v1/admin from Addr.
	InternalOnMgmtOnly bool
	// ManageOnMgmtOnly removes registering, deleting and scaling from Addr
	// too.
	ManageOnMgmtOnly bool
	// MetricsOnMgmtOnly removes /actuator/prometheus from Addr.
	MetricsOnMgmtOnly bool
	// Bearer tokens of each scope, or "sha256:" hashes of them, each with
	// "name=" before it if the audit log is to show the name,
	// comma-separated; empty leaves a scope open. An internal token is valid
	// for the other scopes too, a manage token for invoke.
	InvokeToken, ManageToken, InternalToken string
	// Files that hold tokens as above, one a line, in place of those.
	InvokeTokenFile, ManageTokenFile, InternalTokenFile string
	// Insecure allows a scope without a token on an address that other
	// machines reach.
	Insecure bool
	// AllowedHosts lists the host names under which callers reach this server,
	// comma-separated, beside IP addresses, localhost and the certificate's
	// names; requests to others are refused. "*.NAME" is any name below NAME,
	// "*" any name.
	AllowedHosts string
	// PEM files: certificate and key switch TLS on, a client CA requires
	// client certificates.
	TLSCert, TLSKey, TLSClientCA string
	// EndpointAllow lists addresses and CIDR ranges that POOL functions may
	// use; empty allows all but link-local and metadata addresses.
	EndpointAllow string

	// Bounds of a request and of what a POOL function may answer, in bytes.
	MaxBodyBytes, MaxHeaderBytes, MaxResponseBytes int
	// MaxReadingBytes bounds the buffers of all request bodies that are being
	// read; those up to MaxHeaderBytes need none. At least MaxBodyBytes.
	MaxReadingBytes int64
	// MaxSpecBytes bounds what the specs of all functions take, their revisions
	// included.
	MaxSpecBytes int64
	// MaxConnections open at once on Addr, and to one POOL endpoint.
	MaxConnections, PoolMaxConnections int
	// MaxConnectionsPerIP bounds those of one source on each address: an IPv4
	// address or an IPv6 /64, loopback not counted. 0 = no bound.
	MaxConnectionsPerIP int
	// ReadTimeout bounds reading one request, WriteTimeout writing one answer,
	// IdleTimeout the idle time of a kept-alive connection.
	ReadTimeout, WriteTimeout, IdleTimeout time.Duration
	// ShutdownGrace is how long accepted work may go on after SIGTERM.
	ShutdownGrace time.Duration

	// DataDir is the directory in which functions, configuration and enqueued
	// work outlive the process; empty keeps all in memory. One process at a time
	// can use it.
	DataDir string
	// Fsync is "always", or "every=" and a duration: that much of what was
	// acknowledged last may then be lost with the machine's power.
	Fsync string
	// JournalTimeout is how long an answer waits until what it acknowledges is
	// on disk; beyond it 503 JOURNAL_UNAVAILABLE.
	JournalTimeout time.Duration
	// JournalMaxBytes is what the data directory may take, or what a cluster keeps on
	// each of its engine's servers, before new durable work is refused, 503 JOURNAL_FULL.
	// 0 = as much as there is.
	JournalMaxBytes int64

	// FlightRecorderBytes is the size of the rings that have the latest decisions;
	// 0 = none.
	FlightRecorderBytes int64
	// Record is a directory for files with all decisions, which may take
	// RecordMaxBytes together; empty = none.
	Record         string
	RecordMaxBytes int64
	// RecordNames false has numbers in place of functions' names in recordings.
	RecordNames bool
	// Version and Commit are those of the program, for recordings.
	Version, Commit string

	// Cluster makes this server one of several: it has the NATS servers to use, and
	// ClusterEmbedded has one run in this process. Either of them.
	Cluster         string
	ClusterEmbedded bool
	// ClusterName is this node's name, the same over restarts; empty = PeerAdvertise.
	ClusterName string
	// ClusterAddr is where the embedded server listens for those of the other nodes,
	// ClusterPeers where all of them do, comma-separated.
	ClusterAddr, ClusterPeers string
	// ClusterStream is the name of the streams of this cluster.
	ClusterStream string
	// ClusterReplicas is how many servers have each message.
	ClusterReplicas int
	// ClusterUnsafe also takes fewer than three replicas, and servers that do not sync
	// every write: what was acknowledged can be lost then.
	ClusterUnsafe bool
	// ClusterCreds and ClusterSystemCreds are credentials files of NATS: of the user
	// that has the streams, and of one of the system account, which alone is told how
	// servers sync.
	ClusterCreds, ClusterSystemCreds string
	// ClusterSystem are the URLs of the NATS servers with a user of the system account,
	// where that is known by a password and not by credentials.
	ClusterSystem string
	// PEM files for connections to, and among, the NATS servers.
	ClusterTLSCert, ClusterTLSKey, ClusterTLSCA string
	// PeerAddr takes the requests of other nodes, which reach it at PeerAdvertise;
	// empty = the address that it is bound to.
	PeerAddr, PeerAdvertise string
	// PEM files for connections between nodes: each shows its certificate, and wants
	// one of the CA's.
	PeerTLSCert, PeerTLSKey, PeerTLSCA string

	onEngine func(cluster.Member) (replica.Engine, error) // tests; nil = NATS
	onTiming func(*cluster.Timing)                        // tests
	onKey    time.Duration                                // tests: in place of keyWithin
	hold     time.Duration                                // tests; 0 = holdTime

	onFatal func(error)              // tests; nil ends the process
	onLog   func(*pebblelog.Options) // tests; nil changes nothing

	// Provider says what runs DEPLOYMENT functions: ProviderProcess, ProviderContainer,
	// ProviderKubernetes, several of them with commas and the default first, or
	// ProviderNone.
	Provider string
	// Made are the providers but for ProviderProcess, by name, made by the caller of
	// New, so that this package needs no client of theirs.
	Made map[string]provider.Provider
	// Kubeconfig is the client's configuration file; empty means KUBECONFIG or
	// the pod's service account. KubeNamespace is where functions run.
	Kubeconfig, KubeNamespace string
	// ContainerHost is the address of the container engine; empty means DOCKER_HOST or
	// Docker's socket. ContainerName tells this server's containers from those of
	// others. The other settings of ProviderContainer are as in container.Options.
	ContainerHost, ContainerName, ContainerNetwork, ContainerReach, ContainerPull, ContainerUser string
	ImageCredentials                                                                             string
	// FunctionStartTimeout is how long an instance may take to be ready.
	FunctionStartTimeout time.Duration
	// CgroupRoot is a control group in which those of the instances are made,
	// process.CgroupAuto for the groups simplane is in, or "none".
	CgroupRoot string
	// FunctionMaxProcesses is how many processes and threads an instance may
	// have.
	FunctionMaxProcesses int
	// FunctionUser is who processes of functions run as, USER or USER:GROUP;
	// empty for simplane's own user.
	FunctionUser string

	LogLevel, LogFormat string
	// AccessLogSample is the share of requests that get an access log line, 0
	// to 1. Above 0, answers of 500 and more always get one.
	AccessLogSample float64

	// OTLPEndpoint is the base URL of the OpenTelemetry collector that spans
	// go to over HTTP; empty exports none. OTLPTracesEndpoint, when set, is
	// used in its place as it is, with its path.
	OTLPEndpoint, OTLPTracesEndpoint string
	// TraceSampleRatio is the share of requests that are traced when their
	// caller has not decided, 0 to 1.
	TraceSampleRatio float64
}

// DefaultConfig has the defaults of serve. The store bounds follow the
// machine's memory: 10 million executions at most, and fewer where a retained
// one (about 350 bytes) times that would not fit in a quarter of it; a million
// idempotency keys, and fewer where they would not fit in a sixteenth, as is so
// for specs.
func DefaultConfig() Config {
	cfg := Config{
		Addr: "127.0.0.1:8080", MgmtAddr: "127.0.0.1:8081",
		Core:         core.DefaultConfig(),
		AsyncEnabled: true, CancelOnDisconnect: true,
		MaxReadingBytes: limits.MaxReadingBytes.Default,
		MaxSpecBytes:    limits.MaxSpecBytes.Default,
		MaxBodyBytes:    int(limits.MaxBodyBytes.Default), MaxHeaderBytes: int(limits.MaxHeaderBytes.Default), MaxResponseBytes: int(limits.MaxResponseBytes.Default),
		MaxConnections: int(limits.MaxConnections.Default), PoolMaxConnections: int(limits.PoolMaxConnections.Default),
		ReadTimeout: limits.ReadTimeout.Default, WriteTimeout: limits.WriteTimeout.Default, IdleTimeout: limits.IdleTimeout.Default,
		ShutdownGrace: limits.ShutdownGrace.Default,
		Fsync:         fsyncAlways, JournalTimeout: limits.JournalTimeout.Default, JournalMaxBytes: limits.JournalMaxBytes.Default,
		FlightRecorderBytes: limits.FlightRecorderBytes.Default, RecordMaxBytes: limits.RecordMaxBytes.Default, RecordNames: true,
		Provider: ProviderProcess, ContainerName: "simplane", ContainerReach: "auto", ContainerPull: "missing", FunctionStartTimeout: limits.FunctionStartTimeout.Default,
		CgroupRoot: process.CgroupAuto, FunctionMaxProcesses: int(limits.FunctionMaxProcesses.Default),
		PeerAddr: "127.0.0.1:8082", ClusterStream: "simplane", ClusterReplicas: int(limits.ClusterReplicas.Default),
		KubeNamespace: "default", LogLevel: "info", LogFormat: "text",
		AccessLogSample: limits.AccessLogSample.Default, TraceSampleRatio: limits.TraceSampleRatio.Default,
	}
	if memory := machine.MemoryLimit(); memory > 0 {
		const perExecution, perKey = 400, 300
		cfg.Core.MaxExecutions = int(min(int64(cfg.Core.MaxExecutions), max(memory/4/perExecution, 10_000)))
		cfg.Core.MaxIdempotencyKeys = int(min(int64(cfg.Core.MaxIdempotencyKeys), max(memory/16/perKey, 10_000)))
		cfg.Core.MaxPayloadBytes = max(memory/4, 64<<20)
		cfg.MaxSpecBytes = min(cfg.MaxSpecBytes, max(memory/16, 16<<20))
	}
	return cfg
}

func (c *Config) tokens() auth.Tokens {
	return auth.Tokens{Invoke: c.InvokeToken, Manage: c.ManageToken, Internal: c.InternalToken}
}
