package server

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
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// certificates are the TLS files of both addresses. They are loaded again on
// SIGHUP and when one of them changes; what cannot be used changes nothing.
// Connections keep what they began with.
type certificates struct {
	cert, key, clientCA string // file names; clientCA may be empty
	log                 *slog.Logger
	pace                time.Duration // between looks at the files
	current             atomic.Pointer[tls.Config]

	mu   sync.Mutex    // one load at a time
	seen []os.FileInfo // the files as they were before the last load

	loads *prometheus.CounterVec
}

// lookPace is how often the files are looked at: three stat calls.
const lookPace = 10 * time.Second

// newCertificates loads the files that cfg names; nil when TLS is off.
func newCertificates(cfg Config, log *slog.Logger) (*certificates, error) {
	if cfg.TLSCert == "" && cfg.TLSKey == "" && cfg.TLSClientCA == "" {
		return nil, nil
	}
	if cfg.TLSCert == "" || cfg.TLSKey == "" {
		return nil, errors.New("tlsCert and tlsKey must be given together")
	}
	c := &certificates{cert: cfg.TLSCert, key: cfg.TLSKey, clientCA: cfg.TLSClientCA, log: log, pace: lookPace}
	c.seen = c.look()
	tc, err := c.load()
	if err != nil {
		return nil, err
	}
	c.current.Store(tc)
	return c, nil
}

// load reads the files into a configuration of their own, so that no session
// of an earlier one can be resumed under it.
func (c *certificates) load() (*tls.Config, error) {
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

// reload loads the files again. A certificate that no client would take
// counts as broken.
func (c *certificates) reload(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = c.look() // before reading: a change meanwhile is met by the next look
	tc, err := c.load()
	if err == nil {
		err = outOfTime(leaf(tc), time.Now())
	}
	if err != nil {
		c.loads.WithLabelValues("failed").Inc()
		c.log.Error("TLS files not reloaded; the old ones stay in force", "because", why, "error", err)
		return
	}
	c.current.Store(tc)
	c.loads.WithLabelValues("ok").Inc()
	c.log.Info("TLS files reloaded", "because", why, "certificate", certificateName(leaf(tc)), "serial", leaf(tc).SerialNumber.Text(16), "notAfter", leaf(tc).NotAfter)
}

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

// look says what the files are like now; nil for one that is not there.
func (c *certificates) look() []os.FileInfo {
	var found []os.FileInfo
	for _, name := range []string{c.cert, c.key, c.clientCA} {
		info, _ := os.Stat(name)
		found = append(found, info)
	}
	return found
}

// changed reports whether a file differs from what was loaded, or could not
// be, the last time.
func (c *certificates) changed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !slices.EqualFunc(c.seen, c.look(), func(a, b os.FileInfo) bool {
		if a == nil || b == nil {
			return a == nil && b == nil
		}
		return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
	})
}

// watch reloads the files when they change, until ctx ends.
func (c *certificates) watch(ctx context.Context) {
	every(ctx, c.pace, func() {
		if c.changed() {
			c.reload("a file changed")
		}
	})
}

// register adds the metrics to alert on before clients refuse the certificate.
func (c *certificates) register(r prometheus.Registerer) {
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

// tlsListener hands out TLS connections under what is in force at that moment.
type tlsListener struct {
	net.Listener
	certs *certificates
}

func (l tlsListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return tls.Server(conn, l.certs.current.Load()), nil
}

// ReloadCertificates loads the TLS files again, as SIGHUP does. Without TLS it
// does nothing.
func (s *Server) ReloadCertificates() {
	if s.certs != nil {
		s.certs.reload(whoReload)
	}
}
