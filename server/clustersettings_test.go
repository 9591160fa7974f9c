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
