package auth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Certificates are the TLS files of both addresses. They are reloaded on
// SIGHUP and when one of them changes. If they cannot be used, the previous
// ones stay in force. Open connections keep theirs.
type Certificates struct {
	cert, key, clientCA string // file names; clientCA may be empty
	log                 *slog.Logger
	current             atomic.Pointer[tls.Config]
	names               atomic.Pointer[hostNames] // of the certificate in force

	mu   sync.Mutex    // one load at a time
	seen []os.FileInfo // the files as they were before the last load

	loads *prometheus.CounterVec
}

// LoadCertificates loads the files named; nil when TLS is off.
func LoadCertificates(cert, key, clientCA string, log *slog.Logger) (*Certificates, error) {
	if cert == "" && key == "" && clientCA == "" {
		return nil, nil
	}
	if cert == "" || key == "" {
		return nil, errors.New("tlsCert and tlsKey must be given together")
	}
	c := &Certificates{cert: cert, key: key, clientCA: clientCA, log: log}
	c.seen = c.look()
	tc, err := c.load()
	if err != nil {
		return nil, err
	}
	c.use(tc)
	return c, nil
}

// load reads the files into a configuration of their own, so that no session
// of an earlier one can be resumed under it.
func (c *Certificates) load() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return nil, fmt.Errorf("tlsCert, tlsKey: %w", err)
	}
	tc := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if c.clientCA != "" {
		pem, err := os.ReadFile(c.clientCA)
		if err != nil {
			return nil, fmt.Errorf("tlsClientCa: %w", err)
		}
		tc.ClientCAs = x509.NewCertPool()
		if !tc.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tlsClientCa: %s holds no PEM certificate", c.clientCA)
		}
		tc.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return tc, nil
}

// Reload loads the files again. A certificate that no client would accept
// counts as broken.
func (c *Certificates) Reload(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = c.look() // before reading: a change meanwhile is found by the next check
	tc, err := c.load()
	if err == nil {
		err = outOfTime(leaf(tc), time.Now())
	}
	if err != nil {
		c.loads.WithLabelValues("failed").Inc()
		c.log.Error("TLS files not reloaded; the old ones stay in force", "because", why, "error", err)
		return
	}
	c.use(tc)
	c.loads.WithLabelValues("ok").Inc()
	c.log.Info("TLS files reloaded", "because", why, "certificate", certificateName(leaf(tc)), "serial", leaf(tc).SerialNumber.Text(16), "notAfter", leaf(tc).NotAfter)
}

// ClientConfig is what this process shows and asks for when it connects to others of
// its kind: its own certificate, as it is then, and one of the client CA's from them.
func (c *Certificates) ClientConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: c.current.Load().ClientCAs,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &c.current.Load().Certificates[0], nil
		},
	}
}

// use puts a configuration in force for new connections.
func (c *Certificates) use(tc *tls.Config) {
	var names []string
	for _, name := range leaf(tc).DNSNames {
		if validHostName(strings.TrimPrefix(name, "*.")) {
			names = append(names, name)
		}
	}
	h, _ := newHostNames(names)
	c.names.Store(&h)
	c.current.Store(tc)
}

// hasName reports whether the certificate in force is for a name in lower
// case.
func (c *Certificates) hasName(name []byte) bool { return c != nil && c.names.Load().has(name) }

func leaf(tc *tls.Config) *x509.Certificate { return tc.Certificates[0].Leaf }

func outOfTime(cert *x509.Certificate, now time.Time) error {
	switch {
	case now.After(cert.NotAfter):
		return fmt.Errorf("tlsCert: it has expired at %s", cert.NotAfter)
	case now.Before(cert.NotBefore):
		return fmt.Errorf("tlsCert: it is not valid before %s", cert.NotBefore)
	}
	return nil
}

// look returns the files' present state; nil for a missing one.
func (c *Certificates) look() []os.FileInfo {
	var found []os.FileInfo
	for _, name := range []string{c.cert, c.key, c.clientCA} {
		info, _ := os.Stat(name)
		found = append(found, info)
	}
	return found
}

// changed reports whether a file differs from what was loaded, or could not
// be, the last time.
func (c *Certificates) changed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !slices.EqualFunc(c.seen, c.look(), func(a, b os.FileInfo) bool {
		if a == nil || b == nil {
			return a == nil && b == nil
		}
		return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
	})
}

// Watch checks the files at the interval pace, and reloads them when they
// have changed, until ctx ends.
func (c *Certificates) Watch(ctx context.Context, pace time.Duration) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if c.changed() {
				c.Reload("a file changed")
			}
		}
	}
}

// Register adds the metrics to alert on before clients refuse the certificate.
func (c *Certificates) Register(r prometheus.Registerer) {
	c.loads = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "simplane_tls_reloads_total", Help: "Loads of the TLS files after the start, by result.",
	}, []string{"result"})
	for _, result := range []string{"ok", "failed"} {
		c.loads.WithLabelValues(result) // shown as 0 from the start
	}
	expiry := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "simplane_tls_certificate_expiry_seconds", Help: "When the certificate in force expires, in seconds since 1970.",
	}, func() float64 { return float64(leaf(c.current.Load()).NotAfter.Unix()) })
	r.MustRegister(c.loads, expiry)
}

// TLSListener accepts TLS connections with the configuration in force at that
// moment.
type TLSListener struct {
	net.Listener
	certs *Certificates
}

// Listener wraps the connections that ln accepts in TLS.
func (c *Certificates) Listener(ln net.Listener) TLSListener { return TLSListener{ln, c} }

// Accept implements net.Listener.
func (l TLSListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return tls.Server(conn, l.certs.current.Load()), nil
}
