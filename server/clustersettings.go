package server

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"simplane/server/internal/jetstream"
)

// addClusterFlags adds the flags of a server that is one of several.
func (c *Config) addClusterFlags(flags *pflag.FlagSet) {
	flags.StringVar(&c.Cluster, "cluster", c.Cluster, "`URL`s of the NATS servers of a cluster of simplanes, comma-separated; this process is then one of several")
	flags.BoolVar(&c.ClusterEmbedded, "cluster-embedded", c.ClusterEmbedded, "be one of several, and run a NATS server of the cluster in this process")
	flags.StringVar(&c.ClusterName, "cluster-name", c.ClusterName, "this node's `name`: the same over restarts, another one on each node")
	flags.StringVar(&c.ClusterAddr, "cluster-addr", c.ClusterAddr, "`address` at which the embedded server is reached by those of the other nodes")
	flags.StringVar(&c.ClusterPeers, "cluster-peers", c.ClusterPeers, "the --cluster-addr of all nodes, `HOST:PORT` with commas between, this one's too")
	flags.StringVar(&c.ClusterStream, "cluster-stream", c.ClusterStream, "`name` of the streams of this cluster: 1 to 32 of a-z, 0-9 and -")
	flags.BoolVar(&c.ClusterUnsafe, "cluster-unsafe", c.ClusterUnsafe, "also take fewer replicas than 3, and servers that do not sync every write: what was acknowledged can be lost")
	flags.StringVar(&c.ClusterCreds, "cluster-creds", c.ClusterCreds, "NATS credentials `file` of the user that has the streams")
	flags.StringVar(&c.ClusterSystemCreds, "cluster-system-creds", c.ClusterSystemCreds, "NATS credentials `file` of a user of the system account, which alone is told whether servers sync")
	flags.StringVar(&c.ClusterSystem, "cluster-system", c.ClusterSystem, "`URL`s as in --cluster, with a user of the system account in them; in place of --cluster-system-creds")
	flags.StringVar(&c.ClusterTLSCert, "cluster-tls-cert", c.ClusterTLSCert, "PEM `file` of the certificate shown to NATS servers")
	flags.StringVar(&c.ClusterTLSKey, "cluster-tls-key", c.ClusterTLSKey, "PEM `file` of its key")
	flags.StringVar(&c.ClusterTLSCA, "cluster-tls-ca", c.ClusterTLSCA, "PEM `file` of the CA of the NATS servers' certificates")
	flags.StringVar(&c.PeerAddr, "peer-addr", c.PeerAddr, "`address` for requests of the cluster's other nodes")
	flags.StringVar(&c.PeerAdvertise, "peer-advertise", c.PeerAdvertise, "`HOST:PORT` at which they reach it; empty = --peer-addr as it is bound")
	flags.StringVar(&c.PeerTLSCert, "peer-tls-cert", c.PeerTLSCert, "PEM `file` of the certificate that nodes show one another; needed off loopback")
	flags.StringVar(&c.PeerTLSKey, "peer-tls-key", c.PeerTLSKey, "PEM `file` of its key")
	flags.StringVar(&c.PeerTLSCA, "peer-tls-ca", c.PeerTLSCA, "PEM `file` of the CA of the nodes' certificates")
}

// maxNodeName bounds a node's name, in bytes.
const maxNodeName = 64

// validNodeName says whether all that names of nodes come to, such as the names of servers
// and of subjects, can have this one.
func validNodeName(name string) bool {
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return 0 < len(name) && len(name) <= maxNodeName
}

// checkHostPort says what is wrong with an address; anyPort = an empty host and port 0 are
// right, where the address is bound.
func checkHostPort(at string, anyPort bool) error {
	host, text, err := net.SplitHostPort(at)
	if err != nil {
		return fmt.Errorf("%q is no HOST:PORT: %w", at, err)
	}
	port, err := strconv.ParseUint(text, 10, 16)
	switch {
	case err != nil || port == 0 && !anyPort:
		return fmt.Errorf("%q: the port must be a number from 1 to 65535, and is %q", at, text)
	case host == "" && !anyPort:
		return fmt.Errorf("%q: the host is missing", at)
	case strings.ContainsAny(host, " \t/@"):
		return fmt.Errorf("%q: %q is no host", at, host)
	}
	return nil
}

// clusterAddressProblems are those of the addresses of the embedded servers.
func (c *Config) clusterAddressProblems() (found []string) {
	bad := func(key, format string, args ...any) { found = append(found, key+": "+fmt.Sprintf(format, args...)) }
	peers := listOf(c.ClusterPeers)
	for i, at := range peers {
		if err := checkHostPort(at, false); err != nil {
			bad("clusterPeers", "%v", err)
		}
		if slices.Contains(peers[:i], at) {
			bad("clusterPeers", "%s is there twice: each node has an address of its own", at)
		}
	}
	if len(peers) < 3 {
		bad("clusterPeers", "must have the clusterAddr of all nodes, this one included, with commas between; three are the least, not %d", len(peers))
	}
	switch at := c.ClusterAddr; {
	case at == "":
	case checkHostPort(at, false) != nil:
		bad("clusterAddr", "%v", checkHostPort(at, false))
	case len(peers) >= 3 && !slices.Contains(peers, at):
		bad("clusterAddr", "%s is not among clusterPeers (%s): that list has the clusterAddr of all nodes, this one's too, written the same", at, strings.Join(peers, ", "))
	case at == c.PeerAddr:
		bad("peerAddr", "%s is the clusterAddr, too: the one is for requests of other nodes, the other for the embedded server", at)
	}
	return found
}

// leastClusterBytes is the least bound of what the cluster's engine keeps.
const leastClusterBytes = 1 << 30

// listOf is a list with commas between its entries.
func listOf(text string) (list []string) {
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// checkCluster says what is wrong with the settings of a cluster: they are right or
// wrong together, and so are not judged one by one.
func (c *Config) checkCluster() error {
	var errs []error
	for _, problem := range c.clusterProblems() {
		errs = append(errs, errors.New(problem))
	}
	if errs == nil {
		return nil
	}
	return &SettingsError{errors.Join(errs...)}
}

// SettingsError is of settings that cannot be right, whatever there is beside them.
type SettingsError struct{ Err error }

func (e *SettingsError) Error() string { return e.Err.Error() }

// Unwrap is for errors.Is.
func (e *SettingsError) Unwrap() error { return e.Err }

// clusterProblems are the same, each as "key: what".
func (c *Config) clusterProblems() (found []string) {
	bad := func(key, format string, args ...any) { found = append(found, key+": "+fmt.Sprintf(format, args...)) }
	both := func(certKey, cert, keyKey, key, caKey, ca string) {
		if (cert == "") != (key == "") {
			bad(certKey, "and %s must be given together", keyKey)
		} else if cert != "" && ca == "" {
			bad(caKey, "must be set with %s: both sides of a connection show a certificate, and this is what they are checked by", certKey)
		}
	}
	if !c.inCluster() {
		for _, s := range []struct{ key, value string }{
			{"clusterName", c.ClusterName}, {"clusterAddr", c.ClusterAddr}, {"clusterPeers", c.ClusterPeers}, {"clusterCreds", c.ClusterCreds}, {"clusterSystem", c.ClusterSystem}, {"peerAdvertise", c.PeerAdvertise}, {"peerTlsCert", c.PeerTLSCert},
		} {
			if s.value != "" {
				bad(s.key, "has no effect without --cluster or --cluster-embedded; leave it out, or set one of them")
			}
		}
		return found
	}
	both("peerTlsCert", c.PeerTLSCert, "peerTlsKey", c.PeerTLSKey, "peerTlsCa", c.PeerTLSCA)
	if c.onEngine == nil && c.ClusterName == "" {
		bad("clusterName", "must be set in a cluster: this node's name, the same over restarts, and another one on each")
	} else if c.onEngine == nil && !validNodeName(c.ClusterName) {
		bad("clusterName", "%q: 1 to %d of A-Z, a-z, 0-9, '-', '_' and '.' are allowed", c.ClusterName, maxNodeName)
	}
	if at := c.PeerAddr; at != "" {
		if err := checkHostPort(at, true); err != nil {
			bad("peerAddr", "%v", err)
		}
	} else {
		bad("peerAddr", "must be set in a cluster: the HOST:PORT for requests of the other nodes")
	}
	if at := c.PeerAdvertise; at != "" {
		if err := checkHostPort(at, false); err != nil {
			bad("peerAdvertise", "%v", err)
		}
	}
	if c.onEngine == nil && c.JournalMaxBytes > 0 && c.JournalMaxBytes < leastClusterBytes {
		bad("journalMaxBytes", "must be at least %d in a cluster, or 0: of each of 256 partitions more than 1 MiB may be kept that is not needed any more", leastClusterBytes)
	}
	if c.Record != "" {
		bad("record", "is not possible in a cluster: partitions, and with them what would be recorded, move from node to node; the flight recorder of each node has the latest decisions")
	}
	switch {
	case c.Cluster != "" && c.ClusterEmbedded:
		bad("clusterEmbedded", "--cluster is given too: either the cluster has NATS servers of its own, or each node runs one")
	case c.Cluster != "" && c.DataDir != "":
		bad("dataDir", "has no effect with --cluster: the NATS servers keep everything; leave it out")
	case c.Cluster != "":
		for key, urls := range map[string]string{"cluster": c.Cluster, "clusterSystem": c.ClusterSystem} {
			if err := jetstream.CheckURLs(urls); err != nil {
				bad(key, "%v", err)
			}
		}
		if c.ClusterSystem != "" && c.ClusterSystemCreds != "" {
			bad("clusterSystem", "and clusterSystemCreds are given: one of them says who asks")
		}
		if (c.ClusterTLSCert == "") != (c.ClusterTLSKey == "") {
			bad("clusterTlsCert", "and clusterTlsKey must be given together")
		}
	case c.ClusterEmbedded:
		both("clusterTlsCert", c.ClusterTLSCert, "clusterTlsKey", c.ClusterTLSKey, "clusterTlsCa", c.ClusterTLSCA)
		if c.DataDir == "" {
			bad("dataDir", "must be set with --cluster-embedded: the directory of this node's part of what the cluster keeps")
		}
		if _, err := os.Stat(filepath.Join(c.DataDir, "completion-key")); err == nil && c.DataDir != "" {
			bad("dataDir", "%s is the data directory of a server by itself, whose work a cluster does not take over; choose another directory", c.DataDir)
		}
		if c.ClusterAddr == "" {
			bad("clusterAddr", "must be set with --cluster-embedded: the HOST:PORT at which this node's server is reached by the others")
		}
		found = append(found, c.clusterAddressProblems()...)
		for _, s := range []struct {
			key   string
			bytes int
		}{{"maxBodyBytes", c.MaxBodyBytes}, {"maxResponseBytes", c.MaxResponseBytes}} {
			if s.bytes > largestMessage/2-4<<20 {
				bad(s.key, "must be at most %d with --cluster-embedded, whose largest message is %d bytes", largestMessage/2-4<<20, largestMessage)
			}
		}
	}
	return found
}
