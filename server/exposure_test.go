package server

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What needs no token is said at start, and to whom it is open; nothing is said
// where nothing is open.
func TestWhatIsLeftOpenIsSaid(t *testing.T) {
	const local, others, holders = "every user and program of this machine can", "whoever reaches this machine can", "whoever has a client certificate can"
	ours := newAuthority(t, "ours")
	cert, key := ours.issue(time.Hour)
	for what, tc := range map[string]struct {
		change func(*Config)
		says   []string // one a line
	}{
		"defaults on loopback":        {func(*Config) {}, []string{local + " run functions, register functions and administer the server"}},
		"IPv6 loopback":               {func(c *Config) { c.Addr, c.MgmtAddr = "[::1]:0", "[::1]:0" }, []string{local}},
		"all tokens":                  {func(c *Config) { c.InvokeToken, c.ManageToken, c.InternalToken = "i", "m", "x" }, nil},
		"only the highest token":      {func(c *Config) { c.InternalToken = "x" }, []string{local + " run functions and register functions"}},
		"only the lowest token":       {func(c *Config) { c.InvokeToken = "i" }, []string{local + " register functions and administer the server"}},
		"an open invoke scope":        {func(c *Config) { c.ManageToken, c.InternalToken = "m", "x" }, []string{local + " run functions"}},
		"no internal token":           {func(c *Config) { c.InvokeToken, c.ManageToken = "i", "m" }, []string{local + " administer the server"}},
		"administration on one side":  {func(c *Config) { c.InvokeToken, c.InternalOnMgmtOnly, c.ManageOnMgmtOnly = "i", true, true }, []string{local}},
		"the two sides differ":        {func(c *Config) { c.InternalOnMgmtOnly = true }, []string{local + " run functions and register functions", local + " run functions, register"}},
		"API for everybody":           {func(c *Config) { c.Addr, c.Insecure = "0.0.0.0:0", true }, []string{others, local}},
		"API for everybody, IPv6":     {func(c *Config) { c.Addr, c.Insecure = "[::]:0", true }, []string{others, local}},
		"management for everybody":    {func(c *Config) { c.MgmtAddr, c.Insecure = "0.0.0.0:0", true }, []string{local, others}},
		"both for everybody":          {func(c *Config) { c.Addr, c.MgmtAddr, c.Insecure = "0.0.0.0:0", "0.0.0.0:0", true }, []string{others}},
		"client certificates instead": {func(c *Config) { c.TLSCert, c.TLSKey, c.TLSClientCA, c.Addr = cert, key, ours.file, "0.0.0.0:0" }, []string{holders}},
	} {
		t.Run(what, func(t *testing.T) {
			f := start(t, tc.change)
			var said []string
			for line := range strings.Lines(f.log.String()) {
				if strings.Contains(line, "no token is needed at ") {
					said = append(said, line)
				}
			}
			if len(said) != len(tc.says) {
				t.Fatalf("said %q, want %q", said, tc.says)
			}
			for i, part := range tc.says {
				if !strings.Contains(said[i], part) || !strings.Contains(said[i], "TokenFile") || strings.Contains(said[i], "level=WARN") == (part == holders) {
					t.Errorf("line %d is %q, want %q in it, and what to do", i, said[i], part)
				}
			}
		})
	}
}

// With the process provider whoever may register may run programs here. That
// is said in so many words, and as an error where they run as root.
func TestThatFunctionsRunAsRootIsSaid(t *testing.T) {
	for what, tc := range map[string]struct {
		change func(*Config)
		says   bool
	}{
		"open":     {func(c *Config) { c.Provider = ProviderProcess }, true},
		"closed":   {func(c *Config) { c.Provider, c.ManageToken = ProviderProcess, "m" }, false},
		"not here": {func(*Config) {}, false},
	} {
		log := start(t, tc.change).log.String()
		if got := strings.Contains(log, "programs that run here as "+userName()); got != tc.says {
			t.Errorf("%s: that functions are programs is said: %v", what, got)
		}
		if got := strings.Contains(log, "level=ERROR"); got != (tc.says && os.Geteuid() == 0) {
			t.Errorf("%s: an error is logged: %v, as user %d\n%s", what, got, os.Geteuid(), log)
		}
	}
}

// An address that other machines reach is not opened by mistake.
func TestRefusesToStartWithAnOpenScopeBeyondLoopback(t *testing.T) {
	ours := newAuthority(t, "ours")
	cert, key := ours.issue(time.Hour)
	all := func(c *Config) { c.InvokeToken, c.ManageToken, c.InternalToken = "i", "m", "x" }
	for what, tc := range map[string]struct {
		change func(*Config)
		starts bool
	}{
		"API for everybody":        {func(c *Config) { c.Addr = "0.0.0.0:0" }, false},
		"API for everybody, IPv6":  {func(c *Config) { c.Addr = "[::]:0" }, false},
		"API without a host":       {func(c *Config) { c.Addr = ":0" }, false},
		"management for everybody": {func(c *Config) { c.MgmtAddr = "0.0.0.0:0" }, false},
		"all but invoke":           {func(c *Config) { all(c); c.Addr, c.InvokeToken = "0.0.0.0:0", "" }, false},
		"all but manage":           {func(c *Config) { all(c); c.Addr, c.ManageToken = "0.0.0.0:0", "" }, false},
		"all but internal":         {func(c *Config) { all(c); c.Addr, c.InternalToken = "0.0.0.0:0", "" }, false},
		"TLS alone":                {func(c *Config) { c.TLSCert, c.TLSKey, c.Addr = cert, key, "0.0.0.0:0" }, false},
		"all tokens":               {func(c *Config) { all(c); c.Addr, c.MgmtAddr = "0.0.0.0:0", "[::]:0" }, true},
		"client certificates":      {func(c *Config) { c.TLSCert, c.TLSKey, c.TLSClientCA, c.Addr = cert, key, ours.file, "0.0.0.0:0" }, true},
		"what is open is on loopback": {func(c *Config) {
			c.Addr, c.InvokeToken, c.ManageOnMgmtOnly, c.InternalOnMgmtOnly = "0.0.0.0:0", "i", true, true
		}, true},
		"loopback, another of its numbers":   {func(c *Config) { c.Addr = "127.0.0.2:0" }, true},
		"loopback by name":                   {func(c *Config) { c.Addr = "localhost:0" }, true},
		"loopback, written as IPv6":          {func(c *Config) { c.Addr = "[::ffff:127.0.0.1]:0" }, true},
		"somebody has said that it is meant": {func(c *Config) { c.Addr, c.Insecure = "0.0.0.0:0", true }, true},
	} {
		t.Run(what, func(t *testing.T) {
			cfg := DefaultConfig()
			cfg.Addr, cfg.MgmtAddr, cfg.Provider = "127.0.0.1:0", "127.0.0.1:0", ProviderNone
			tc.change(&cfg)
			s, err := New(cfg, discardLog())
			if err == nil {
				defer s.apiAddr.Close()
				defer s.mgmtAddr.Close()
			}
			var exposed *ExposedError
			if got := !errors.As(err, &exposed); got != tc.starts || tc.starts && err != nil {
				t.Fatalf("starts: %v (%v)", got, err)
			}
			if !tc.starts && (!strings.Contains(err.Error(), "--insecure") || !strings.Contains(err.Error(), "TokenFile")) {
				t.Errorf("%v does not say what to do", err)
			}
		})
	}
}

func TestReadableTokenFileIsSaid(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(file, []byte("m\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, says := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: true} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		f := start(t, func(c *Config) { c.ManageToken, c.ManageTokenFile = "m", file })
		if got := strings.Contains(f.log.String(), "every user of this machine may read "+file); got != says {
			t.Errorf("mode %o: said: %v", mode, got)
		}
	}
}
