package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"simplane/server"
)

func TestTLSWithAnOwnCAAndClientCertificates(t *testing.T) {
	dir := t.TempDir()
	ca := issue(t, dir, "ca", nil)
	issue(t, dir, "server", ca)
	issue(t, dir, "client", ca)
	file := func(name string) string { return filepath.Join(dir, name) }
	p := startPlane(t, func(c *server.Config) {
		c.TLSCert, c.TLSKey, c.TLSClientCA = file("server.crt"), file("server.key"), file("ca.crt")
	})
	p.addr = "https://" + p.addr
	trust := []string{"--tls-ca", file("ca.crt")}
	show := append(trust, "--tls-cert", file("client.crt"), "--tls-key", file("client.key"))
	list := func(flags ...string) ran { t.Helper(); return p.cli(append([]string{"fn", "list"}, flags...)...) }

	list(show...).ok()
	list().fails(1, "certificate")
	list(trust...).fails(1, "cannot reach")
	list("--tls-ca", file("none.crt")).fails(2, "no such file")
	list("--tls-ca", file("ca.key")).fails(2, "no certificate")
	list(append(trust, "--tls-cert", file("client.crt"))...).fails(2, "key")
}

// A new certificate is in force after SIGHUP, also when the config file is
// broken at that moment: the two are reloaded apart.
func TestServeReloadsCertificatesOnSIGHUP(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	ca := issue(t, dir, "ca", nil)
	issue(t, dir, "server", ca)
	write(t, file("config.yaml"), "tlsCert: "+file("server.crt")+"\ntlsKey: "+file("server.key")+"\n")
	s := serve(t, "--config", file("config.yaml"))
	trust := &tls.Config{RootCAs: x509.NewCertPool()}
	pem, err := os.ReadFile(file("ca.crt"))
	must(t, err)
	trust.RootCAs.AppendCertsFromPEM(pem)
	shown := func() string {
		c, err := tls.Dial("tcp", strings.TrimPrefix(s.api, "http://"), trust)
		must(t, err)
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	first := shown()
	issue(t, dir, "server", ca)
	write(t, file("config.yaml"), "ttl: soon\n")
	s.signal(syscall.SIGHUP)
	s.eventually("both are logged", func() bool {
		log := s.stderr.String()
		return strings.Contains(log, "TLS files reloaded") && strings.Contains(log, "configuration not reloaded")
	})
	if shown() == first {
		t.Error("the old certificate is still in force")
	}
}

// authority is a certificate with its key.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue makes NAME.crt and NAME.key, signed by ca or by itself.
func issue(t *testing.T, dir, name string, ca *authority) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	made := &authority{&x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:        ca == nil, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, key}
	signer := made
	if ca != nil {
		signer = ca
	}
	der, err := x509.CreateCertificate(rand.Reader, made.cert, signer.cert, &key.PublicKey, signer.key)
	must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	write(t, filepath.Join(dir, name+".crt"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, filepath.Join(dir, name+".key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	return made
}
