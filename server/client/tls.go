package client

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
)

// TLS names the PEM files of a connection; empty ones are the machine's
// certificate authorities, and no certificate of one's own.
type TLS struct {
	CA, Cert, Key string
}

// UseTLS makes the client check the server against a CA of its own, or show a
// certificate.
func (c *Client) UseTLS(files TLS) error {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if files.CA != "" {
		pem, err := os.ReadFile(files.CA)
		if err != nil {
			return err
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("%s: no certificate in PEM form is in it", files.CA)
		}
	}
	if (files.Cert == "") != (files.Key == "") {
		return fmt.Errorf("a client certificate needs both its file and that of its key")
	}
	if files.Cert != "" {
		pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
		if err != nil {
			return fmt.Errorf("%s: %w", files.Cert, err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	c.transport().TLSClientConfig = cfg
	return nil
}

// KeepConnections makes the client keep up to n connections for later calls, for
// many at a time. Those not used for 90 s are closed.
func (c *Client) KeepConnections(n int) {
	t := c.transport()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = n, n
}

// Close closes the connections that are kept.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// transport is the client's own, of which nobody else has connections.
func (c *Client) transport() *http.Transport {
	if c.http.Transport == nil {
		c.http.Transport = http.DefaultTransport.(*http.Transport).Clone()
	}
	return c.http.Transport.(*http.Transport)
}
