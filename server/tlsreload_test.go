package server

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// replace puts a file's content in the place of another's, in one step.
func replace(t *testing.T, target, from string) {
	t.Helper()
	raw, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	replaceText(t, target, string(raw))
}

func replaceText(t *testing.T, target, text string) {
	t.Helper()
	if err := os.WriteFile(target+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(target+".new", target); err != nil {
		t.Fatal(err)
	}
}

// secureFixture serves under ours with client certificates of clients, and
// looks at its files every pace.
func secureFixture(t *testing.T, ours, clients *authority, pace time.Duration) (f *fixture, certFile, keyFile string) {
	t.Helper()
	certFile, keyFile = ours.issue(time.Hour)
	f = build(t, func(c *Config) {
		c.TLSCert, c.TLSKey = certFile, keyFile
		if clients != nil {
			c.TLSClientCA = clients.file
		}
	})
	f.s.lookPace = pace
	f.serve()
	t.Cleanup(func() {
		if err := f.shutdown(); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return f, certFile, keyFile
}

// dialTLS opens a connection and returns it with the certificate it was shown.
func dialTLS(t *testing.T, addr string, cfg *tls.Config) (*tls.Conn, []byte) {
	t.Helper()
	c, err := tls.Dial("tcp", addr, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(hangGuard))
	return c, c.ConnectionState().PeerCertificates[0].Raw
}

func (a *authority) trusting() *tls.Config {
	cfg := &tls.Config{RootCAs: x509.NewCertPool()}
	cfg.RootCAs.AddCert(a.cert)
	return cfg
}

// health asks over a connection that goes on.
func health(c *tls.Conn) error {
	if _, err := io.WriteString(c, "GET /actuator/health HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	if err == nil && resp.StatusCode != 200 {
		err = fmt.Errorf("status %d", resp.StatusCode)
	}
	return err
}

// A new certificate is taken up when its files change: by new connections on
// both addresses, while old ones go on under the old one.
func TestTLSCertificateIsReloadedWhenItsFilesChange(t *testing.T) {
	ours := newAuthority(t, "ours")
	f, certFile, keyFile := secureFixture(t, ours, nil, 10*ms)
	old, first := dialTLS(t, f.s.Addr(), ours.trusting())
	if err := health(old); err != nil {
		t.Fatal(err)
	}
	nextCert, nextKey := ours.issue(2 * time.Hour)
	// Not in one step: between the two the pair does not fit.
	replace(t, certFile, nextCert)
	f.eventually("the half change is reported", func() bool { return strings.Contains(f.log.String(), "TLS files not reloaded") })
	if _, shown := dialTLS(t, f.s.Addr(), ours.trusting()); !bytes.Equal(shown, first) {
		t.Error("a certificate without its key is in force")
	}
	replace(t, keyFile, nextKey)
	for _, addr := range []string{f.s.Addr(), f.s.MgmtAddr()} {
		f.eventually("the new certificate is shown at "+addr, func() bool {
			c, shown := dialTLS(t, addr, ours.trusting())
			defer c.Close()
			return !bytes.Equal(shown, first) && health(c) == nil
		})
	}
	if err := health(old); err != nil {
		t.Errorf("the old connection: %v", err)
	}
	if log := f.log.String(); !strings.Contains(log, `msg="TLS files reloaded" because="a file changed" certificate=peer`) {
		t.Errorf("log: %s", log)
	}
}

// Whatever is wrong with the new files, the old ones stay in force, and it is
// said once and not at each look.
func TestTLSBrokenFilesKeepTheOldCertificate(t *testing.T) {
	ours := newAuthority(t, "ours")
	f, certFile, _ := secureFixture(t, ours, nil, 5*ms)
	_, first := dialTLS(t, f.s.Addr(), ours.trusting())
	otherCert, _ := ours.issue(time.Hour)
	failures := 0
	for _, tc := range []struct {
		what, says string
		do         func()
	}{
		{"garbage", "failed to find any PEM data", func() { replaceText(t, certFile, "garbage") }},
		{"gone", "no such file", func() { _ = os.Remove(certFile) }},
		{"empty", "failed to find any PEM data", func() { replaceText(t, certFile, "") }},
		{"another's key", "private key does not match", func() { replace(t, certFile, otherCert) }},
	} {
		tc.do()
		failures++
		failed := func() int { return strings.Count(f.log.String(), "TLS files not reloaded") }
		f.eventually(tc.what+" is reported", func() bool { return failed() == failures })
		time.Sleep(50 * ms) // ten looks
		log := f.log.String()
		if failed() != failures || !strings.Contains(log[strings.LastIndex(log, "TLS files not reloaded"):], tc.says) {
			t.Errorf("%s: reported %d times, want %d with %q:\n%s", tc.what, failed(), failures, tc.says, log)
		}
		c, shown := dialTLS(t, f.s.Addr(), ours.trusting())
		if !bytes.Equal(shown, first) || health(c) != nil {
			t.Errorf("%s: the old certificate is not in force", tc.what)
		}
	}
	c, _ := dialTLS(t, f.s.Addr(), ours.trusting())
	fmt.Fprint(c, "GET /actuator/prometheus HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	metrics, _ := io.ReadAll(c)
	for _, want := range []string{
		fmt.Sprintf("simplane_tls_reloads_total{result=\"failed\"} %d\n", failures), "simplane_tls_reloads_total{result=\"ok\"} 0\n", "simplane_tls_certificate_expiry_seconds 1.",
	} {
		if !strings.Contains(string(metrics), want) {
			t.Errorf("the metrics have no %s", want)
		}
	}
}

// The client CA is reloaded with the rest: who was trusted is not any more,
// not even by resuming a session, and who is trusted now gets in.
func TestTLSClientCAIsReloaded(t *testing.T) {
	ours, before, after := newAuthority(t, "ours"), newAuthority(t, "before"), newAuthority(t, "after")
	f, _, _ := secureFixture(t, ours, before, time.Hour)
	as := func(issuer *authority) *tls.Config {
		cfg := ours.trusting()
		cert, err := tls.LoadX509KeyPair(issuer.issue(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
		cfg.ClientSessionCache = tls.NewLRUClientSessionCache(8)
		return cfg
	}
	ask := func(cfg *tls.Config) (resumed bool, err error) {
		c, err := tls.Dial("tcp", f.s.Addr(), cfg)
		if err != nil {
			return false, err
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(hangGuard))
		return c.ConnectionState().DidResume, health(c)
	}
	trusted, stranger := as(before), as(after)
	if _, err := ask(trusted); err != nil {
		t.Fatal(err)
	}
	if resumed, err := ask(trusted); err != nil || !resumed {
		t.Errorf("the second connection: resumed %v, %v", resumed, err)
	}
	if _, err := ask(stranger); err == nil {
		t.Error("a stranger was let in")
	}
	open, _ := dialTLS(t, f.s.Addr(), trusted)
	if err := health(open); err != nil {
		t.Fatal(err)
	}

	replaceText(t, before.file, "garbage")
	f.s.ReloadCertificates()
	if _, err := ask(trusted); err != nil {
		t.Errorf("after a broken CA file: %v", err)
	}
	if log := f.log.String(); !strings.Contains(log, "TLS files not reloaded") || !strings.Contains(log, "tlsClientCa") || !strings.Contains(log, "because=signal:SIGHUP") {
		t.Errorf("log: %s", log)
	}

	replace(t, before.file, after.file)
	f.s.ReloadCertificates()
	if resumed, err := ask(trusted); err == nil {
		t.Errorf("who is not trusted any more was let in (resumed: %v)", resumed)
	}
	if _, err := ask(stranger); err != nil {
		t.Errorf("who is trusted now: %v", err)
	}
	if err := health(open); err != nil {
		t.Errorf("a connection from before: %v", err)
	}
}
