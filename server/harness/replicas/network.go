package replicas

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Network is a bridge with a network namespace for each node: what one sends to
// another can be cut, in one direction too. It needs the rights of root.
type Network struct {
	id    string
	nodes int
	dir   string
}

// NewNetwork makes the namespaces of n nodes, and certificates for them in dir.
func NewNetwork(dir string, n int) (*Network, error) {
	w := &Network{id: fmt.Sprintf("sp%d", os.Getpid()), nodes: n, dir: dir}
	if err := w.certificates(); err != nil {
		return nil, err
	}
	cmds := []string{
		"link add " + w.id + " type bridge", "addr add " + w.Outside() + "/24 dev " + w.id, "link set " + w.id + " up",
	}
	for i := range n {
		ns, in, out := w.space(i), fmt.Sprintf("%si%d", w.id, i), fmt.Sprintf("%so%d", w.id, i)
		cmds = append(cmds, "netns add "+ns, "link add "+out+" type veth peer name "+in, "link set "+in+" netns "+ns,
			"link set "+out+" master "+w.id, "link set "+out+" up",
			"-n "+ns+" addr add "+w.Host(i)+"/24 dev "+in, "-n "+ns+" link set "+in+" up", "-n "+ns+" link set lo up")
	}
	for _, c := range cmds {
		if err := ip(c); err != nil {
			w.Close()
			return nil, err
		}
	}
	// Where a container engine has the machine forward nothing by default, bridges too.
	_ = w.forward("-I")
	return w, nil
}

func (w *Network) forward(how string) error {
	return exec.Command("iptables", how, "FORWARD", "-i", w.id, "-o", w.id, "-j", "ACCEPT").Run()
}

func ip(args string) error {
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", args, err, out)
	}
	return nil
}

func (w *Network) space(i int) string { return fmt.Sprintf("%sn%d", w.id, i) }

// Host is a node's address, Outside that of this process as nodes see it.
func (w *Network) Host(i int) string { return fmt.Sprintf("10.213.77.%d", i+1) }

// Outside is the address of the bridge.
func (w *Network) Outside() string { return "10.213.77.254" }

// Prefix is what runs a program in a node's namespace.
func (w *Network) Prefix(i int) []string { return []string{"ip", "netns", "exec", w.space(i)} }

// Cut has nothing that one node sends reach another any more; Mend undoes it.
func (w *Network) Cut(from, to int) error {
	return ip("-n " + w.space(from) + " route add blackhole " + w.Host(to) + "/32")
}

// Mend undoes Cut.
func (w *Network) Mend(from, to int) error {
	return ip("-n " + w.space(from) + " route del blackhole " + w.Host(to) + "/32")
}

// Isolate cuts a node from all others, or undoes that.
func (w *Network) Isolate(i int, cut bool) (err error) {
	for other := range w.nodes {
		switch {
		case other == i:
		case cut:
			err = errors.Join(err, w.Cut(i, other), w.Cut(other, i))
		default:
			err = errors.Join(err, w.Mend(i, other), w.Mend(other, i))
		}
	}
	return err
}

// Close removes the namespaces.
func (w *Network) Close() {
	_ = w.forward("-D")
	for i := range w.nodes {
		_ = ip("netns del " + w.space(i))
	}
	_ = ip("link del " + w.id)
}

func (w *Network) file(name string) string { return filepath.Join(w.dir, name) }

// args are the flags of a node that other machines could reach.
func (w *Network) args(int) []string {
	return []string{"--insecure", "--peer-tls-cert", w.file("node.pem"), "--peer-tls-key", w.file("node.key"), "--peer-tls-ca", w.file("ca.pem"),
		"--cluster-tls-cert", w.file("node.pem"), "--cluster-tls-key", w.file("node.key"), "--cluster-tls-ca", w.file("ca.pem")}
}

// certificates makes an authority and one certificate for all nodes.
func (w *Network) certificates() error {
	var ips []net.IP
	for i := range w.nodes {
		ips = append(ips, net.ParseIP(w.Host(i)))
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "node"}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, IPAddresses: ips,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	if err != nil {
		return err
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	write := func(name, kind string, der []byte) error {
		return os.WriteFile(w.file(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
	}
	return errors.Join(write("ca.pem", "CERTIFICATE", caDER), write("node.pem", "CERTIFICATE", der), write("node.key", "PRIVATE KEY", raw))
}
