package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
)

// secured wraps a listener in TLS when a certificate is configured, and asks
// for client certificates (mTLS) when a client CA is.
func secured(ln net.Listener, cfg Config) (net.Listener, error) {
	if cfg.TLSCert == "" && cfg.TLSKey == "" && cfg.TLSClientCA == "" {
		return ln, nil
	}
	if cfg.TLSCert == "" || cfg.TLSKey == "" {
		return nil, errors.New("tlsCert and tlsKey must be given together")
	}
	cert, err := tls.LoadX509KeyPair(cfg.TLSCert, cfg.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("tlsCert, tlsKey: %w", err)
	}
	tc := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if cfg.TLSClientCA != "" {
		pem, err := os.ReadFile(cfg.TLSClientCA)
		if err != nil {
			return nil, fmt.Errorf("tlsClientCa: %w", err)
		}
		tc.ClientCAs = x509.NewCertPool()
		if !tc.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tlsClientCa: %s holds no PEM certificate", cfg.TLSClientCA)
		}
		tc.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return tls.NewListener(ln, tc), nil
}
