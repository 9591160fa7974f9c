package server

import (
	"strings"
	"testing"
)

func TestWhatIsLeftOpenIsSaid(t *testing.T) {
	for what, tc := range map[string]struct {
		change func(*Config)
		says   []string
	}{
		"defaults on loopback":            {func(*Config) {}, nil},
		"all tokens":                      {func(c *Config) { c.InvokeToken, c.ManageToken, c.InternalToken = "i", "m", "x" }, nil},
		"only the highest token":          {func(c *Config) { c.InternalToken = "x" }, nil},
		"only the lowest token":           {func(c *Config) { c.InvokeToken = "i" }, []string{"manageToken", "internalToken"}},
		"no internal token":               {func(c *Config) { c.ManageToken = "m" }, []string{"internalToken"}},
		"API for everybody":               {func(c *Config) { c.Addr = "0.0.0.0:0" }, []string{"whoever reaches"}},
		"API for everybody, IPv6":         {func(c *Config) { c.Addr = "[::]:0" }, []string{"whoever reaches"}},
		"management for everybody":        {func(c *Config) { c.MgmtAddr, c.ManageOnMgmtOnly = "0.0.0.0:0", true }, []string{"whoever reaches"}},
		"API for everybody, no managing":  {func(c *Config) { c.Addr, c.ManageOnMgmtOnly = "0.0.0.0:0", true }, nil},
		"API for everybody, with a token": {func(c *Config) { c.Addr, c.ManageToken, c.InternalToken = "0.0.0.0:0", "m", "x" }, nil},
	} {
		t.Run(what, func(t *testing.T) {
			f := start(t, tc.change)
			log := f.log.String()
			for _, part := range tc.says {
				if !strings.Contains(log, part) {
					t.Errorf("the log does not say %q:\n%s", part, log)
				}
			}
			if got := strings.Count(log, "level=WARN"); got != len(tc.says) {
				t.Errorf("%d warnings, want %d:\n%s", got, len(tc.says), log)
			}
		})
	}
}
