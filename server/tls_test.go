package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"simplane/server/internal/auth"
)

// authority is a certificate authority made for one test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // PEM of the certificate
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	a.key = newKey(t)
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(raw); err != nil {
		t.Fatal(err)
	}
	a.file = writePEM(t, "CERTIFICATE", raw)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func writePEM(t *testing.T, kind string, raw []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "x.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// issue makes a certificate for 127.0.0.1 and these names, and returns the files
// of it and its key; until says when it ends.
func (a *authority) issue(until time.Duration, names ...string) (certFile, keyFile string) {
	a.t.Helper()
	key := newKey(a.t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "peer"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: names,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(until),
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return writePEM(a.t, "CERTIFICATE", raw), writePEM(a.t, "EC PRIVATE KEY", der)
}

// client trusts a and shows a certificate that issuer made, if there is one.
func (a *authority) client(issuer *authority, valid time.Duration, change func(*tls.Config)) *http.Client {
	cfg := &tls.Config{RootCAs: x509.NewCertPool()}
	cfg.RootCAs.AddCert(a.cert)
	if issuer != nil {
		cert, err := tls.LoadX509KeyPair(issuer.issue(valid))
		if err != nil {
			a.t.Fatal(err)
		}
		// Shown even where the server did not name its issuer as acceptable.
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	}
	if change != nil {
		change(cfg)
	}
	tr := &http.Transport{TLSClientConfig: cfg}
	a.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: hangGuard}
}

func TestTLSAndClientCertificates(t *testing.T) {
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	certFile, keyFile := ours.issue(time.Hour)
	plain := start(t, func(c *Config) { c.TLSCert, c.TLSKey = certFile, keyFile })
	mutual := start(t, func(c *Config) { c.TLSCert, c.TLSKey, c.TLSClientCA = certFile, keyFile, ours.file })
	old := func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS11, tls.VersionTLS11 }
	for _, tc := range []struct {
		what          string
		client        *http.Client
		plain, mutual bool // answered
	}{
		{"no certificate", ours.client(nil, 0, nil), true, false},
		{"a certificate of the client CA", ours.client(ours, time.Hour, nil), true, true},
		{"a certificate of another CA", ours.client(theirs, time.Hour, nil), true, false},
		{"an expired certificate", ours.client(ours, -time.Hour, nil), true, false},
		{"TLS 1.2", ours.client(ours, time.Hour, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }), true, true},
		{"TLS 1.1", ours.client(ours, time.Hour, old), false, false},
	} {
		for _, side := range []struct {
			name string
			f    *fixture
			want bool
		}{{"TLS", plain, tc.plain}, {"mTLS", mutual, tc.mutual}} {
			for _, addr := range []string{side.f.s.Addr(), side.f.s.MgmtAddr()} {
				resp, err := tc.client.Get("https://" + addr + "/actuator/health")
				if err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
				if got := err == nil && resp.StatusCode == 200; got != side.want {
					t.Errorf("%s on a %s port: answered %v, want %v (%v)", tc.what, side.name, got, side.want, err)
				}
			}
		}
	}
	// Plain HTTP on a TLS port is not answered, and does not hurt.
	if a, err := plain.try("http://"+plain.s.Addr(), "GET", "/actuator/health", ""); err == nil && a.status == 200 {
		t.Error("plain HTTP was answered on a TLS port")
	}
	// An invocation through TLS, and a request that is refused politely.
	c := ours.client(nil, 0, nil)
	post := func(path, body string) (int, string) {
		resp, err := c.Post("https://"+plain.s.Addr()+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatalf("POST %s: %v", path, err)
		}
		defer resp.Body.Close()
		raw, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(raw)
	}
	post("/v1/functions", `{"name":"f","image":"i","executionMode":"LOCAL"}`)
	if status, body := post("/v1/functions/f:invoke", `{"input":42}`); status != 200 || !strings.Contains(body, "42") {
		t.Errorf("invoke over TLS: %d %s", status, body)
	}
	if status, body := post("/v1/functions/f:invoke", `{"input":"`+strings.Repeat("x", 5<<20)+`"}`); status != 413 {
		t.Errorf("a body too large over TLS: %d %.100s", status, body)
	}
}

// A peer that never finishes its handshake is cut off like any slow client.
func TestSlowTLSHandshakesAreCutOff(t *testing.T) {
	ours := newAuthority(t, "ours")
	certFile, keyFile := ours.issue(time.Hour)
	f := start(t, func(c *Config) {
		c.TLSCert, c.TLSKey, c.ReadTimeout = certFile, keyFile, 300*time.Millisecond
	})
	for _, first := range []string{"", "\x16", "\x16\x03\x01\x02\x00\x01"} {
		conn, err := net.Dial("tcp", f.s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, first); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(hangGuard))
		if _, err := io.Copy(io.Discard, conn); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("after %q the connection was not closed: %v", first, err)
		}
	}
}

func TestTLSSettingsThatCannotWork(t *testing.T) {
	ours := newAuthority(t, "ours")
	certFile, keyFile := ours.issue(time.Hour)
	_, otherKey := ours.issue(time.Hour)
	for what, tc := range map[string]struct {
		cfg  Config
		says string
	}{
		"certificate without key":   {Config{TLSCert: certFile}, "together"},
		"key without certificate":   {Config{TLSKey: keyFile}, "together"},
		"client CA alone":           {Config{TLSClientCA: ours.file}, "together"},
		"missing file":              {Config{TLSCert: "/none", TLSKey: keyFile}, "/none"},
		"key of another":            {Config{TLSCert: certFile, TLSKey: otherKey}, "private key"},
		"client CA that is a key":   {Config{TLSCert: certFile, TLSKey: keyFile, TLSClientCA: keyFile}, "no PEM certificate"},
		"client CA that is missing": {Config{TLSCert: certFile, TLSKey: keyFile, TLSClientCA: "/none"}, "/none"},
	} {
		certs, err := auth.LoadCertificates(tc.cfg.TLSCert, tc.cfg.TLSKey, tc.cfg.TLSClientCA, discardLog())
		if certs != nil || err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v, want an error with %q", what, err, tc.says)
		}
	}
}
