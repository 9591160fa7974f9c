package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"simplane/server/internal/auth"
)

// A web page that the operator happens to have open must not be able to use a
// server on the operator's machine.
func TestForeignWebPagesChangeNothing(t *testing.T) {
	type from struct{ host, origin, site, forwarded string }
	const own = "127.0.0.1:8080"
	for what, tc := range map[string]struct {
		from from
		code string // of the refusal; "" when it is taken
	}{
		"curl":                               {from{host: own}, ""},
		"curl by a name that is not ours":    {from{host: "simplane.example:8080"}, "FOREIGN_HOST"},
		"own page":                           {from{host: own, origin: "http://127.0.0.1:8080", site: "same-origin"}, ""},
		"own page, old browser":              {from{host: own, origin: "http://127.0.0.1:8080"}, ""},
		"own page by localhost":              {from{host: "localhost:8080", origin: "http://localhost:8080", site: "same-origin"}, ""},
		"own page by IPv6":                   {from{host: "[::1]:8080", origin: "http://[::1]:8080"}, ""},
		"typed into the address bar":         {from{host: own, site: "none"}, ""},
		"form on another site":               {from{host: own, origin: "https://evil.example", site: "cross-site"}, "CROSS_SITE"},
		"form on another site, old browser":  {from{host: own, origin: "https://evil.example"}, "CROSS_SITE"},
		"sandboxed frame":                    {from{host: own, origin: "null"}, "CROSS_SITE"},
		"other port of the same machine":     {from{host: own, origin: "http://127.0.0.1:3000", site: "same-site"}, "CROSS_SITE"},
		"other port, old browser":            {from{host: own, origin: "http://127.0.0.1:3000"}, "CROSS_SITE"},
		"our host as a part of theirs":       {from{host: own, origin: "http://127.0.0.1:8080.evil.example"}, "CROSS_SITE"},
		"rebound name":                       {from{host: "evil.example:8080", origin: "http://evil.example:8080", site: "same-origin"}, "FOREIGN_HOST"},
		"rebound name, old browser":          {from{host: "evil.example:8080", origin: "http://evil.example:8080"}, "FOREIGN_HOST"},
		"behind a proxy that keeps no Host":  {from{host: own, origin: "https://ops.example", forwarded: "ops.example"}, ""},
		"behind a proxy, from another site":  {from{host: own, origin: "https://evil.example", forwarded: "ops.example"}, "CROSS_SITE"},
		"origin without a host":              {from{host: own, origin: "http://"}, "CROSS_SITE"},
		"origin without a scheme":            {from{host: own, origin: own}, "CROSS_SITE"},
		"unknown relation":                   {from{host: own, site: "future"}, "CROSS_SITE"},
		"own page by a name that looks safe": {from{host: "localhost.evil.example", origin: "http://localhost.evil.example"}, "FOREIGN_HOST"},
	} {
		t.Run(what, func(t *testing.T) {
			for _, token := range []string{"", "m"} {
				f := start(t, func(c *Config) { c.ManageToken = token })
				headers := []string{"Host", tc.from.host, "Authorization", "Bearer " + token, "Content-Type", "text/plain"}
				for name, value := range map[string]string{"Origin": tc.from.origin, "Sec-Fetch-Site": tc.from.site, "X-Forwarded-Host": tc.from.forwarded} {
					if value != "" {
						headers = append(headers, name, value)
					}
				}
				a := f.post("/v1/functions", `{"name":"f","image":"i","executionMode":"LOCAL"}`, headers...)
				if a.status != map[bool]int{true: 201, false: 403}[tc.code == ""] || a.status == 403 && a.str("error") != tc.code {
					t.Errorf("token %q: status %d, want %q: %s", token, a.status, tc.code, a.body)
				}
				// Another page cannot see the answer to what it reads, unless its
				// own name was pointed here.
				want := map[bool]int{true: 403, false: 200}[tc.code == "FOREIGN_HOST"]
				if got := f.do("GET", "/v1/functions", "", headers...).status; got != want {
					t.Errorf("token %q: reading: status %d, want %d", token, got, want)
				}
			}
		})
	}
}

// Every route of both ports is closed to names that are not this server's,
// with the right token too: the page that rebound its name may have got one.
func TestForeignHostsReachNoRoute(t *testing.T) {
	f := start(t, func(c *Config) { c.InternalToken = "x" })
	paths := []struct{ method, path string }{{"GET", "/ui/"}, {"GET", "/debug/pprof/heap"}, {"GET", "/no-such-path"}, {"OPTIONS", "/v1/functions"}, {"HEAD", "/actuator/health"}}
	for _, rt := range f.s.routes {
		paths = append(paths, struct{ method, path string }{rt.Method, fill(rt.Path)})
	}
	for _, base := range []string{f.api, f.mgmt} {
		for _, p := range paths {
			req, _ := http.NewRequest(p.method, base+p.path, strings.NewReader(`{}`))
			req.Host = "evil.example:8080"
			req.Header.Set("Authorization", "Bearer x")
			resp, err := f.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			raw, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != 403 || p.method != "HEAD" && !strings.Contains(string(raw), "FOREIGN_HOST") {
				t.Errorf("%s %s of %s: %d %.200s", p.method, p.path, base, resp.StatusCode, raw)
			}
		}
	}
}

// Names are this server's when its certificate or the configuration has them.
func TestHostsOfTheCertificateAndTheConfiguration(t *testing.T) {
	ours := newAuthority(t, "ours")
	cert, key := ours.issue(time.Hour, "plane.example", "*.wild.example")
	plain := start(t, func(c *Config) { c.AllowedHosts = "Proxy.Example, *.pods.example" })
	secure := start(t, func(c *Config) { c.TLSCert, c.TLSKey, c.AllowedHosts = cert, key, "proxy.example" })
	anyHost := start(t, func(c *Config) { c.AllowedHosts = "*" })
	client := ours.client(nil, 0, nil)
	for _, tc := range []struct {
		host               string
		plain, secure, any bool
	}{
		{"proxy.example", true, true, true}, {"PROXY.example.:443", true, true, true}, {"a.proxy.example", false, false, true}, {"xproxy.example", false, false, true},
		{"a.pods.example", true, false, true}, {"a.b.pods.example:80", true, false, true}, {"pods.example", false, false, true}, {"xpods.example", false, false, true},
		{"plane.example", false, true, true}, {"a.wild.example", false, true, true}, {"wild.example", false, false, true}, {"127.0.0.1", true, true, true}, {"box", true, true, true},
		{strings.Repeat("a.", 200) + "proxy.example", false, false, true},
	} {
		for what, side := range map[string]struct {
			base   string
			client *http.Client
			want   bool
		}{
			"plain": {plain.api, plain.client, tc.plain}, "TLS": {"https://" + secure.s.Addr(), client, tc.secure}, "all allowed": {anyHost.api, anyHost.client, tc.any},
		} {
			req, _ := http.NewRequest("GET", side.base+"/actuator/health", nil)
			req.Host = tc.host
			resp, err := side.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if got := resp.StatusCode == 200; got != side.want {
				t.Errorf("%s, %s: status %d", what, tc.host, resp.StatusCode)
			}
		}
	}
}

// What a Host header may look like, beside the names.
func TestHostHeadersOfEveryForm(t *testing.T) {
	f := start(t)
	for head, want := range map[string]string{
		"GET /actuator/health HTTP/1.0\r\n\r\n":                                                   "200",
		"GET /actuator/health HTTP/1.1\r\nHost: 10.1.2.3:9\r\n\r\n":                               "200",
		"GET /actuator/health HTTP/1.1\r\nHost: [::1]\r\n\r\n":                                    "200",
		"GET /actuator/health HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n":                         "200",
		"GET /actuator/health HTTP/1.1\r\nHost: LOCALHOST\r\n\r\n":                                "200",
		"GET /actuator/health HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n\r\n":                   "403",
		"GET /actuator/health HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n":                   "403",
		"GET /actuator/health HTTP/1.1\r\nHost: evil.example\r\n\r\n":                             "403",
		"GET /actuator/health HTTP/1.1\r\nHost: evil.example.\r\n\r\n":                            "403",
		"GET http://evil.example/actuator/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n":             "403",
		"GET http://127.0.0.1/actuator/health HTTP/1.1\r\nHost: evil.example\r\n\r\n":             "403",
		"POST /v1/functions/f:invoke HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n\r\n": "403",
	} {
		c, err := net.Dial("tcp", f.s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(hangGuard))
		fmt.Fprint(c, head)
		line, err := bufio.NewReader(c).ReadString('\n')
		c.Close()
		if err != nil || !strings.Contains(line, " "+want+" ") {
			t.Errorf("%q: %q, %v; want %s", head, line, err, want)
		}
	}
}

func TestAllowedHostsAreChecked(t *testing.T) {
	for list, good := range map[string]bool{
		"": true, "a.example": true, "*": true, "*.a.example, b.example": true, " ,": false,
		"https://a.example": false, "a.example:80": false, "*a.example": false, "a.*": false, "a b": false, "*.": false, ".a": false, "10.0.0.0/8": false,
	} {
		if err := auth.CheckAllowedHosts(list); (err == nil) != good {
			t.Errorf("%q: %v", list, err)
		}
	}
}
