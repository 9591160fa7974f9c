package server

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"simplane/server/internal/auth"
	"simplane/server/internal/dispatch"
)

// Check looks at what a configuration names, as New does, and opens nothing: no
// address, no data directory. It reads the TLS files, and says what would be open
// without a token. The settings themselves are checked by Settings.Load.
func Check(cfg Config, log *slog.Logger) error {
	s := &Server{cfg: cfg, log: log}
	var errs []error
	certs, err := auth.LoadCertificates(cfg.TLSCert, cfg.TLSKey, cfg.TLSClientCA, log)
	errs = append(errs, err)
	if _, err := dispatch.NewEgress(cfg.EndpointAllow); err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, cfg.checkCluster())
	errs = append(errs, checkFolder("dataDir", cfg.DataDir), checkFolder("record", cfg.Record))
	if err == nil {
		if s.guard, err = auth.NewGuard(cfg.tokens(), cfg.AllowedHosts, certs, prometheus.NewRegistry()); err == nil {
			err = s.checkAddresses()
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// checkAddresses resolves the two addresses and says what is open at them.
func (s *Server) checkAddresses() error {
	var at [2]string
	for i, a := range []struct{ key, addr string }{{"addr", s.cfg.Addr}, {"mgmtAddr", s.cfg.MgmtAddr}} {
		resolved, err := net.ResolveTCPAddr("tcp", a.addr)
		if err != nil {
			return fmt.Errorf("%s: %w", a.key, err)
		}
		at[i] = resolved.String()
	}
	return s.checkExposure(at[0], at[1])
}

// checkFolder says why a folder can neither be used nor be made.
func checkFolder(key, path string) error {
	if path == "" {
		return nil
	}
	for at := path; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		switch {
		case errors.Is(err, fs.ErrNotExist) && at != filepath.Dir(at):
			continue // it would be made, if what is above it is a folder
		case err != nil:
			return fmt.Errorf("%s: %w", key, err)
		case !info.IsDir():
			return fmt.Errorf("%s: %s is no directory", key, at)
		}
		return nil
	}
}
