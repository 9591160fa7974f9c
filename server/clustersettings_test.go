package server

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// What a cluster needs and does not get is an error that says what to do, before
// anything is opened.
func TestClusterSettings(t *testing.T) {
	dir := t.TempDir()
	alone := t.TempDir()
	if err := os.WriteFile(filepath.Join(alone, "completion-key"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	peers := "--cluster-peers=127.0.0.1:1,127.0.0.1:2, 127.0.0.1:3"
	embedded := []string{"--cluster-embedded", "--cluster-name=a", "--cluster-addr=127.0.0.1:1", peers, "--data-dir=" + dir}
	for _, c := range []struct {
		args []string
		want string // "" = it is taken
	}{
		{embedded, ""},
		{[]string{"--cluster=nats://n1:4222,nats://n2:4222", "--cluster-name=a"}, ""},
		{[]string{"--cluster=nats://n1:4222"}, "clusterName: must be set"},
		{append(embedded, "--cluster=nats://n1:4222"), "clusterEmbedded: --cluster is given too"},
		{[]string{"--cluster=nats://n1:4222", "--cluster-name=a", "--data-dir=" + dir}, "dataDir: has no effect with --cluster"},
		{[]string{"--cluster-name=a"}, "clusterName: has no effect"},
		{[]string{"--cluster-embedded", "--cluster-name=a", "--cluster-addr=127.0.0.1:1", peers}, "dataDir: must be set"},
		{[]string{"--cluster-embedded", "--cluster-name=a", peers, "--data-dir=" + dir}, "clusterAddr: must be set"},
		{[]string{"--cluster-embedded", "--cluster-name=a", "--cluster-addr=127.0.0.1:1", "--cluster-peers=127.0.0.1:1", "--data-dir=" + dir}, "three are the least, not 1"},
		{append(embedded, "--data-dir="+alone), "of a server by itself"},
		{append(embedded, "--record="+dir), "record: is not possible in a cluster"},
		{append(embedded, "--peer-tls-cert=x"), "peerTlsCert: and peerTlsKey"},
		{append(embedded, "--peer-tls-cert=x", "--peer-tls-key=y"), "peerTlsCa: must be set"},
		{append(embedded, "--cluster-tls-cert=x", "--cluster-tls-key=y"), "clusterTlsCa: must be set"},
		{append(embedded, "--max-body-bytes=60000000", "--max-reading-bytes=100000000"), "maxBodyBytes: must be at most"},
		{append(embedded, "--max-response-bytes=60000000"), "maxResponseBytes: must be at most"},
		{[]string{"--cluster=nats://n1:4222,n2:99999", "--cluster-name=a"}, "cluster: the address at place 2 has the port 99999"},
		{append(embedded, "--cluster-name=a b"), `clusterName: "a b": 1 to 64 of`},
		{append(embedded, "--cluster-name=a/b"), `clusterName: "a/b"`},
		{append(embedded, "--cluster-name="+strings.Repeat("a", 65)), "clusterName: "},
		{append(embedded, "--cluster-name=Node_1.pods-2"), ""},
		{append(embedded, "--cluster-addr=127.0.0.1"), `clusterAddr: "127.0.0.1" is no HOST:PORT`},
		{append(embedded, "--cluster-addr=127.0.0.1:0"), "clusterAddr: "},
		{append(embedded, "--cluster-addr=127.0.0.1:9"), "clusterAddr: 127.0.0.1:9 is not among clusterPeers (127.0.0.1:1, 127.0.0.1:2, 127.0.0.1:3)"},
		{append(embedded, "--cluster-peers=127.0.0.1:1,127.0.0.1:2,127.0.0.1:2,127.0.0.1:3"), "clusterPeers: 127.0.0.1:2 is there twice"},
		{append(embedded, "--cluster-peers=127.0.0.1:1,n2,127.0.0.1:3"), `clusterPeers: "n2" is no HOST:PORT`},
		{append(embedded, "--cluster-peers=127.0.0.1:1,:2,127.0.0.1:3"), `clusterPeers: ":2": the host is missing`},
		{append(embedded, "--cluster-peers=127.0.0.1:1,nats://n2:2,127.0.0.1:3"), "clusterPeers: "},
		{append(embedded, "--peer-addr=127.0.0.1:1"), "peerAddr: 127.0.0.1:1 is the clusterAddr, too"},
		{append(embedded, "--peer-addr=127.0.0.1"), `peerAddr: "127.0.0.1" is no HOST:PORT`},
		{append(embedded, "--peer-addr=127.0.0.1:70000"), `peerAddr: "127.0.0.1:70000": the port must be a number from 1 to 65535`},
		{append(embedded, "--peer-addr="), "peerAddr: must be set"},
		{append(embedded, "--peer-addr=:8082"), ""},
		{append(embedded, "--peer-advertise=:8082"), `peerAdvertise: ":8082": the host is missing`},
		{append(embedded, "--peer-advertise=n1.example:0"), "peerAdvertise: "},
	} {
		flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
		s := NewSettings(flags)
		if err := flags.Parse(c.args); err != nil {
			t.Fatal(err)
		}
		err := s.Load(func(string) (string, bool) { return "", false })
		if err == nil {
			err = s.Config.checkCluster()
		}
		if got := fmt.Sprint(err); c.want == "" && err != nil || c.want != "" && !strings.Contains(got, c.want) {
			t.Errorf("%v: %v, want %q", c.args, err, c.want)
		}
	}
}

// A data directory of another node, or of another cluster, is refused as it is.
func TestDataDirOfAnotherNodeIsRefused(t *testing.T) {
	at := func(dir, name, peers string) error {
		c := &Config{DataDir: dir, ClusterName: name, ClusterPeers: peers}
		return c.claimDataDir()
	}
	dir := t.TempDir()
	file := filepath.Join(dir, nodeFile)
	for _, peers := range []string{"a:1,b:1,c:1", "a:1,b:1,c:1", "b:1,c:1,d:1"} { // it may grow, and nodes may move
		if err := at(dir, "n1", peers); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for want, err := range map[string]error{
		`belongs to node "n1", and this is "n2"`: at(dir, "n2", "b:1,c:1,d:1"),
		"of a cluster at b:1,c:1,d:1":            at(dir, "n1", "x:1,y:1,z:1"),
	} {
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if now, _ := os.ReadFile(file); string(now) != string(before) {
		t.Errorf("it was changed to %s", now)
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := at(dir, "n1", "b:1,c:1,d:1"); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("%v", err)
	}
}

// Requests with tokens come to the address for other nodes: without TLS it is not
// opened where other machines reach it.
func TestPeerAddressNeedsTLSOffLoopback(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Addr, cfg.MgmtAddr, cfg.PeerAddr, cfg.Provider = "127.0.0.1:0", "127.0.0.1:0", "0.0.0.0:0", ProviderNone
	cfg.Cluster, cfg.ClusterName = "nats://127.0.0.1:1", "a"
	if _, err := New(cfg, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "peerTlsCert") {
		t.Errorf("%v", err)
	}
}
