package auth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// writePair writes a certificate that ends at notAfter and its key.
func writePair(t *testing.T, certFile, keyFile string, notAfter time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(notAfter.Unix()), NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: notAfter}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: raw}, keyFile: {Type: "EC PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A pair that fits and that no client would take leaves the old one in force,
// and that is said.
func TestExpiredCertificateIsNotLoaded(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	writePair(t, cert, key, time.Now().Add(time.Hour))
	var log bytes.Buffer
	c, err := LoadCertificates(cert, key, "", slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	c.Register(prometheus.NewRegistry())
	first := c.current.Load()
	writePair(t, cert, key, time.Now().Add(-time.Hour))
	c.Reload("a test")
	if c.current.Load() != first {
		t.Error("an expired certificate is in force")
	}
	if n := strings.Count(log.String(), "TLS files not reloaded"); n != 1 || !strings.Contains(log.String(), "it has expired") {
		t.Errorf("log: %s", log.String())
	}
	writePair(t, cert, key, time.Now().Add(2*time.Hour))
	c.Reload("a test")
	if c.current.Load() == first || !strings.Contains(log.String(), "TLS files reloaded") {
		t.Errorf("a good one was not taken: %s", log.String())
	}
}
