package server

import (
	"strings"
	"testing"
)

// A reload replaces the tokens of a scope that has some. It neither opens a
// scope nor closes one, and a malformed token changes nothing.
func TestTokensAreReplacedByAReload(t *testing.T) {
	f := start(t, func(c *Config) { c.ManageToken, c.InternalToken = "old", "x" })
	status := func(path, token string) int { return f.do("GET", path, "", "Authorization", "Bearer "+token).status }
	const manage, internal, invoke = "/v1/functions", "/v1/admin/stats", "/v1/executions/00000000-0000-4000-8000-000000000000"
	for _, step := range []struct {
		what                       string
		change                     func(*Config)
		old, fresh, internal, open int
		says                       string
	}{
		{"before", nil, 200, 401, 200, 404, ""},
		{"both for a while", func(c *Config) { c.ManageToken = "old,new" }, 200, 200, 200, 404, `"tokens replaced" scope=manage`},
		{"the new one alone", func(c *Config) { c.ManageToken = "new" }, 401, 200, 200, 404, `"tokens replaced" scope=manage`},
		{"malformed", func(c *Config) { c.ManageToken, c.InternalToken = "sha256:1", "y" }, 401, 200, 200, 404, "tokens not reloaded"},
		{"one left out", func(c *Config) { c.ManageToken = "" }, 401, 200, 200, 404, "by a restart only"},
		{"one more scope", func(c *Config) { c.InvokeToken, c.ManageToken = "i", "new" }, 401, 200, 200, 404, "by a restart only"},
	} {
		if step.change != nil {
			cfg := f.s.cfg
			step.change(&cfg)
			before := len(f.log.String())
			f.s.Reload(cfg)
			if log := f.log.String()[before:]; !strings.Contains(log, step.says) || strings.Contains(log, "sha256:1") {
				t.Errorf("%s: the log does not say %q: %s", step.what, step.says, log)
			}
		}
		for _, tc := range []struct {
			path, token string
			want        int
		}{{manage, "old", step.old}, {manage, "new", step.fresh}, {internal, "x", step.internal}, {internal, "y", 401}, {invoke, "", step.open}} {
			if got := status(tc.path, tc.token); got != tc.want {
				t.Errorf("%s: %s with %q: %d, want %d", step.what, tc.path, tc.token, got, tc.want)
			}
		}
	}
}
