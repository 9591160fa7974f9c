package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"simplane/server/harness/node"
)

// natsCluster is three NATS servers as somebody else runs them: with users, and
// certificates if ca is a file.
type natsCluster struct {
	t       *testing.T
	options []*natsserver.Options
	servers []*natsserver.Server
	ca      string
}

const natsUser, natsPassword, natsSystem = "plane", "p:w/%1", "admin"

func startNATS(t *testing.T, syncs, withTLS bool) *natsCluster {
	t.Helper()
	c := &natsCluster{t: t}
	clients, err := node.FreeAddresses("127.0.0.1", 3)
	if err != nil {
		t.Fatal(err)
	}
	routed, err := node.FreeAddresses("127.0.0.1", 3)
	if err != nil {
		t.Fatal(err)
	}
	syncing, security := "", ""
	if syncs {
		syncing = "sync_interval: always"
	}
	if withTLS {
		cert, key := c.certificate()
		security = fmt.Sprintf("tls { cert_file: %q, key_file: %q, timeout: 10 }", cert, key)
	}
	for i := range 3 {
		conf := filepath.Join(t.TempDir(), "nats.conf")
		text := fmt.Sprintf(`
			server_name: "nats-%d"
			max_payload: 8MB
			listen: %q
			%s
			jetstream { store_dir: %q, %s }
			cluster { name: theirs, listen: %q, routes: ["nats://%s"] }
			accounts {
				PLANE { jetstream: enabled, users: [{user: %q, password: %q}] }
				SYS { users: [{user: %q, password: %q}] }
			}
			system_account: SYS
		`, i, clients[i], security, t.TempDir(), syncing, routed[i], strings.Join(routed, `", "nats://`), natsUser, natsPassword, natsSystem, natsPassword)
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		o, err := natsserver.ProcessConfigFile(conf)
		if err != nil {
			t.Fatal(err)
		}
		o.NoLog, o.NoSigs = true, true
		c.options, c.servers = append(c.options, o), append(c.servers, nil)
		c.start(i)
	}
	t.Cleanup(func() {
		for i := range c.servers {
			c.stop(i)
		}
	})
	c.eventually("the servers have a leader", func() bool { return slices.ContainsFunc(c.servers, (*natsserver.Server).JetStreamIsLeader) })
	return c
}

func (c *natsCluster) start(i int) {
	c.t.Helper()
	s, err := natsserver.NewServer(c.options[i].Clone())
	if err != nil {
		c.t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(hangGuard) {
		c.t.Fatal("a NATS server does not come up")
	}
	c.servers[i] = s
}

func (c *natsCluster) stop(i int) {
	if s := c.servers[i]; s != nil {
		s.Shutdown()
		s.WaitForShutdown()
		c.servers[i] = nil
	}
}

func (c *natsCluster) eventually(what string, cond func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(hangGuard); !cond(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatalf("waited in vain: %s", what)
		}
	}
}

// certificate writes one for 127.0.0.1, which is its own authority, c.ca.
func (c *natsCluster) certificate() (cert, key string) {
	pair, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "nats"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, pair.Public(), pair)
	if err != nil {
		c.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(pair)
	if err != nil {
		c.t.Fatal(err)
	}
	dir := c.t.TempDir()
	write := func(name, kind string, der []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			c.t.Fatal(err)
		}
		return file
	}
	c.ca = write("cert.pem", "CERTIFICATE", der)
	return c.ca, write("key.pem", "PRIVATE KEY", private)
}

// urls are the servers' addresses for a user.
func (c *natsCluster) urls(user, password string) string {
	var list []string
	for _, o := range c.options {
		u := url.URL{Scheme: "nats", Host: net.JoinHostPort("127.0.0.1", fmt.Sprint(o.Port)), User: url.UserPassword(user, password)}
		if c.ca != "" {
			u.Scheme = "tls"
		}
		list = append(list, u.String())
	}
	return strings.Join(list, ",")
}

// joins has a server be a node of a cluster over these servers.
func (c *natsCluster) joins(name string) func(*Config) {
	return func(cfg *Config) {
		cfg.Cluster, cfg.ClusterSystem, cfg.ClusterTLSCA = c.urls(natsUser, natsPassword), c.urls(natsSystem, natsPassword), c.ca
		cfg.ClusterName, cfg.PeerAddr, cfg.ClusterReplicas, cfg.JournalMaxBytes = name, "127.0.0.1:0", 3, 1<<30
	}
}

// Two nodes over NATS servers of somebody else, with TLS and passwords: they work as one,
// go on when a server is lost, stop when all are, and go on when those are back.
func TestClusterOverOthersNATS(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for leases to end")
	}
	servers := startNATS(t, true, true)
	a, b := build(t, servers.joins("a")), build(t, servers.joins("b"))
	a.begin()
	b.begin()
	a.awaitReady()
	b.awaitReady()
	for i := range 8 {
		a.register(fmt.Sprint("f", i), "LOCAL", `"queueSize":100000`)
	}
	var ids []string
	work := func(f *fixture, n int) {
		t.Helper()
		for i := range n {
			name := fmt.Sprint("f", i%8)
			f.eventually("work is taken", func() bool {
				r := f.enqueue(name, "1", "Idempotency-Key", fmt.Sprint("k", len(ids)))
				if r.status == http.StatusAccepted {
					ids = append(ids, r.str("executionId"))
				} else if r.status != http.StatusServiceUnavailable {
					t.Fatalf("%d %s", r.status, r.body)
				}
				return r.status == http.StatusAccepted
			})
		}
	}
	work(a, 20)
	work(b, 20)
	servers.stop(0)
	work(a, 20)
	work(b, 20)
	servers.stop(1)
	servers.stop(2)
	for _, f := range []*fixture{a, b} {
		f.eventually("it says that it is cut off", func() bool {
			r := f.get("/actuator/health/readiness")
			return r.status == http.StatusServiceUnavailable && strings.Contains(string(r.body), "cut off")
		})
		f.refused503(f.invoke("f0", "1"))
		f.get("/actuator/health/liveness").expect(200)
	}
	for i := range 3 {
		servers.start(i)
	}
	for _, f := range []*fixture{a, b} {
		f.awaitServing()
	}
	work(a, 10)
	for i, id := range ids {
		f := []*fixture{a, b}[i%2]
		f.eventually("what was acknowledged has ended", func() bool {
			r := f.get("/v1/executions/" + id)
			return r.status != http.StatusServiceUnavailable && r.expect(200).str("status") == "success"
		})
	}
	for _, f := range []*fixture{a, b} {
		if err := f.shutdown(); err != nil {
			t.Error(err)
		}
		if log := f.log.String(); strings.Contains(log, natsPassword) || strings.Contains(log, url.QueryEscape(natsPassword)) {
			t.Error("the password is in the log")
		}
	}
}

// What others' servers cannot show to be safe is refused, and so is who they do not know.
func TestClusterRefusesOthersNATS(t *testing.T) {
	syncs, lazy := startNATS(t, true, true), startNATS(t, false, false)
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	streams := 0 // each case makes its own
	for says, c := range map[string]struct {
		servers *natsCluster
		change  func(*Config)
	}{
		"sync_interval: always":          {lazy, func(*Config) {}},
		"only users of their system":     {syncs, func(c *Config) { c.ClusterSystem = "" }},
		"1 replicas":                     {syncs, func(c *Config) { c.ClusterReplicas = 1 }},
		"nats: Authorization Violation":  {syncs, func(c *Config) { c.Cluster = syncs.urls(natsUser, "other-secret") }},
		"nats: Authorization Violation ": {syncs, func(c *Config) { c.ClusterSystem = syncs.urls("nobody", "other-secret") }},
		"certificate signed by unknown":  {syncs, func(c *Config) { c.ClusterTLSCA = "" }},
		"insufficient storage":           {syncs, func(c *Config) { c.JournalMaxBytes = 1 << 50 }},
		"no such file":                   {syncs, func(c *Config) { c.ClusterTLSCA = empty + "-not" }},
		"max_payload":                    {syncs, func(c *Config) { c.MaxBodyBytes, c.MaxReadingBytes = 8<<20, 16<<20 }},
		"secure connection":              {lazy, func(c *Config) { c.Cluster = strings.ReplaceAll(c.Cluster, "nats://", "tls://") }},
	} {
		t.Run(says, func(t *testing.T) {
			streams++
			f := build(t, c.servers.joins("n"), func(cfg *Config) { cfg.ClusterStream = fmt.Sprint("s", streams) }, c.change)
			err := f.s.Serve(within(t))
			if err == nil || !strings.Contains(err.Error(), strings.TrimSpace(says)) {
				t.Errorf("%v", err)
			}
			if err != nil && (strings.Contains(err.Error(), "other-secret") || strings.Contains(err.Error(), natsPassword)) {
				t.Errorf("the password is in the error: %v", err)
			}
		})
	}
	for key, change := range map[string]func(*Config){
		"cluster: the address at place 2":   func(c *Config) { c.Cluster = "nats://h:1,nats://u:secret@h:port" },
		"clusterSystem: the address":        func(c *Config) { c.ClusterSystem = "http://h:1" },
		"clusterSystem: and clusterSystemC": func(c *Config) { c.ClusterSystemCreds = empty },
	} {
		cfg := DefaultConfig()
		syncs.joins("n")(&cfg)
		change(&cfg)
		if err := cfg.checkCluster(); err == nil || !strings.Contains(err.Error(), key) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", key, err)
		}
	}
	// Who says that it may be lost gets it.
	f := build(t, lazy.joins("n"), func(c *Config) {
		c.ClusterUnsafe, c.ClusterSystem, c.ClusterReplicas, c.ClusterStream = true, "", 1, "unsafe"
	})
	f.serve()
	f.register("fn", "LOCAL")
	f.enqueue("fn", "1").expect(202)
	if err := f.shutdown(); err != nil {
		t.Error(err)
	}
}

// Passwords and tokens in addresses are not shown.
func TestClusterAddressesAreShownWithoutSecrets(t *testing.T) {
	const given = "nats://u:secret@h:4222,nats://secret@i:4222,nats://j:4222"
	s, _, err := load(t, []string{"--cluster", given, "--cluster-system", given}, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range s.Effective() {
		if strings.Contains(e.Value, "secret") || e.Key == "cluster" && (!strings.Contains(e.Value, "@i:4222") || !strings.HasSuffix(e.Value, ",nats://j:4222")) {
			t.Errorf("%s is shown as %s", e.Key, e.Value)
		}
	}
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), hangGuard)
	t.Cleanup(cancel)
	return ctx
}
