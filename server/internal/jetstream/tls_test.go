package jetstream

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"testing"
	"time"

	"simplane/server/harness/node"
)

// authority signs certificates of servers at 127.0.0.1.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(raw); err != nil {
		t.Fatal(err)
	}
	return authority{c, key}
}

func (a authority) config(t *testing.T) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "server"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: key}},
		RootCAs:      pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13,
	}
}

// Servers with certificates of one authority find each other. One with another's, and
// one without, do not get in.
func TestServersWithCertificates(t *testing.T) {
	if testing.Short() {
		t.Skip("starts servers of its own")
	}
	ours, other := newAuthority(t), newAuthority(t)
	addrs, err := node.FreeAddresses("127.0.0.1", 3)
	if err != nil {
		t.Fatal(err)
	}
	start := func(i int, config *tls.Config) *Embedded {
		e, err := Embed(EmbedOptions{Name: fmt.Sprint("n", i), Listen: addrs[i], Peers: addrs, Dir: t.TempDir(), TLS: config, Log: testLog()})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	first, second, third := start(0, ours.config(t)), start(1, ours.config(t)), start(2, ours.config(t))
	defer first.Shutdown()
	defer second.Shutdown()
	if err := first.Ready(within(t)); err != nil { // a first start needs all
		t.Fatal(err)
	}
	third.Shutdown()
	for what, config := range map[string]*tls.Config{"another authority's": other.config(t), "no": nil} {
		stranger := start(2, config)
		for tried := time.Now(); time.Since(tried) < time.Second && stranger.server.NumRemotes() == 0; {
			time.Sleep(20 * time.Millisecond)
		}
		if n := stranger.server.NumRemotes(); n != 0 {
			t.Errorf("a server with %s certificate is connected to %d others", what, n)
		}
		stranger.Shutdown()
	}
	if n := first.server.NumRemotes(); n != 1 {
		t.Errorf("the first server is connected to %d others", n)
	}
}
