package server

import (
	"testing"
)

// A web page that the operator happens to have open must not be able to use a
// server on the operator's machine.
func TestForeignWebPagesChangeNothing(t *testing.T) {
	type from struct{ host, origin, site, forwarded string }
	const own = "127.0.0.1:8080"
	for what, tc := range map[string]struct {
		from    from
		open    int // status without tokens
		guarded int // with a manage token, given
	}{
		"curl":                               {from{host: own}, 201, 201},
		"curl by name":                       {from{host: "simplane.example:8080"}, 201, 201},
		"own page":                           {from{host: own, origin: "http://127.0.0.1:8080", site: "same-origin"}, 201, 201},
		"own page, old browser":              {from{host: own, origin: "http://127.0.0.1:8080"}, 201, 201},
		"own page by localhost":              {from{host: "localhost:8080", origin: "http://localhost:8080", site: "same-origin"}, 201, 201},
		"own page by IPv6":                   {from{host: "[::1]:8080", origin: "http://[::1]:8080"}, 201, 201},
		"typed into the address bar":         {from{host: own, site: "none"}, 201, 201},
		"form on another site":               {from{host: own, origin: "https://evil.example", site: "cross-site"}, 403, 403},
		"form on another site, old browser":  {from{host: own, origin: "https://evil.example"}, 403, 403},
		"sandboxed frame":                    {from{host: own, origin: "null"}, 403, 403},
		"other port of the same machine":     {from{host: own, origin: "http://127.0.0.1:3000", site: "same-site"}, 403, 403},
		"other port, old browser":            {from{host: own, origin: "http://127.0.0.1:3000"}, 403, 403},
		"our host as a part of theirs":       {from{host: own, origin: "http://127.0.0.1:8080.evil.example"}, 403, 403},
		"rebound name":                       {from{host: "evil.example:8080", origin: "http://evil.example:8080", site: "same-origin"}, 403, 201},
		"rebound name, old browser":          {from{host: "evil.example:8080", origin: "http://evil.example:8080"}, 403, 201},
		"behind a proxy that keeps no Host":  {from{host: own, origin: "https://ops.example", forwarded: "ops.example"}, 201, 201},
		"behind a proxy, from another site":  {from{host: own, origin: "https://evil.example", forwarded: "ops.example"}, 403, 403},
		"origin without a host":              {from{host: own, origin: "http://"}, 403, 403},
		"origin without a scheme":            {from{host: own, origin: own}, 403, 403},
		"unknown relation":                   {from{host: own, site: "future"}, 403, 403},
		"own page by a name that looks safe": {from{host: "localhost.evil.example", origin: "http://localhost.evil.example"}, 403, 201},
	} {
		t.Run(what, func(t *testing.T) {
			for _, mode := range []struct {
				token string
				want  int
			}{{"", tc.open}, {"m", tc.guarded}} {
				f := start(t, func(c *Config) { c.ManageToken = mode.token })
				headers := []string{"Host", tc.from.host, "Authorization", "Bearer " + mode.token, "Content-Type", "text/plain"}
				for name, value := range map[string]string{"Origin": tc.from.origin, "Sec-Fetch-Site": tc.from.site, "X-Forwarded-Host": tc.from.forwarded} {
					if value != "" {
						headers = append(headers, name, value)
					}
				}
				a := f.post("/v1/functions", `{"name":"f","image":"i","executionMode":"LOCAL"}`, headers...)
				if a.status != mode.want {
					t.Errorf("token %q: status %d, want %d: %s", mode.token, a.status, mode.want, a.body)
				}
				if a.status == 403 && a.str("error") != "CROSS_SITE" {
					t.Errorf("token %q: %s", mode.token, a.body)
				}
				// Reading needs no such check: no other page can see the answer.
				if got := f.do("GET", "/v1/functions", "", headers...).status; got != 200 {
					t.Errorf("token %q: reading: status %d", mode.token, got)
				}
			}
		})
	}
}
