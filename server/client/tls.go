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
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = cfg
	c.http.Transport = transport
	return nil
}
