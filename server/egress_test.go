package server

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// victim is a server that must not be reached.
func victim(t *testing.T) (*httptest.Server, *atomic.Int64) {
	var hits atomic.Int64
	v := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `"secret"`)
	}))
	t.Cleanup(v.Close)
	return v, &hits
}

// A function's answer must not send simplane elsewhere.
func TestPoolDoesNotFollowRedirects(t *testing.T) {
	v, hits := victim(t)
	for _, status := range []int{301, 302, 303, 307, 308} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			back := httptest.NewServer(http.RedirectHandler(v.URL, status))
			defer back.Close()
			f := start(t)
			f.register("f", "POOL", fmt.Sprintf(`"endpointUrl":%q,"maxRetries":0`, back.URL))
			if a := f.invoke("f", `1`).expect(200); a.str("error", "code") != "POOL_ERROR" || strings.Contains(string(a.body), "secret") {
				t.Errorf("a redirect ended as %s", a.body)
			}
			if n := hits.Load(); n != 0 {
				t.Errorf("the redirect was followed %d times", n)
			}
		})
	}
}

// A name is judged by what it resolves to when it is dialled: no form of
// writing the address gets around that.
func TestForbiddenAddressInEveryDisguise(t *testing.T) {
	v, hits := victim(t)
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(v.URL, "http://"))
	// Only an address that the victim does not have is allowed.
	f := start(t, func(c *Config) { c.EndpointAllow = "192.0.2.1" })
	for i, host := range []string{
		"127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "LOCALHOST", "localhost.", "2130706433", "0x7f000001", "0177.0.0.1", "127.1",
		"user:pass@127.0.0.1", "192.0.2.1@127.0.0.1", "127.0.0.1.",
	} {
		name := fmt.Sprintf("f%d", i)
		spec := fmt.Sprintf(`{"name":%q,"image":"i","executionMode":"POOL","maxRetries":0,"timeoutMillis":5000,"endpointUrl":%q}`, name, "http://"+host+":"+port+"/")
		if f.post("/v1/functions", spec).status != 201 {
			continue // refused at once: also right
		}
		if a := f.invoke(name, `1`); a.str("status") == "success" || strings.Contains(string(a.body), "secret") {
			t.Errorf("%s: %s", host, a.body)
		}
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("the forbidden address was reached %d times", n)
	}
	// The control: allowed, the very same server is reached.
	open := start(t, func(c *Config) { c.EndpointAllow = "127.0.0.0/8, ::1" })
	open.register("f", "POOL", fmt.Sprintf(`"endpointUrl":"http://localhost:%s/"`, port))
	if a := open.invoke("f", `1`); a.str("output") != "secret" || hits.Load() != 1 {
		t.Errorf("where it is allowed: %s, %d hits", a.body, hits.Load())
	}
}

func TestForbiddenAddressIsRefusedAtRegistration(t *testing.T) {
	f := start(t)
	for _, u := range []string{"http://169.254.169.254/latest", "http://[fe80::1]/", "http://[::ffff:169.254.169.254]/", "http://[64:ff9b::a9fe:a9fe]/", "http://0.0.0.0/", "http://100.100.100.200/", "https://[fd00:ec2::254]/"} {
		a := f.post("/v1/functions", fmt.Sprintf(`{"name":"f","image":"i","executionMode":"POOL","endpointUrl":%q}`, u)).refused(400, "VALIDATION_ERROR")
		if !strings.Contains(a.details(), "endpointUrl") {
			t.Errorf("%s: %s", u, a.body)
		}
	}
	for _, u := range []string{"file:///etc/passwd", "gopher://127.0.0.1/", "ftp://x/", "//x/", "http://"} {
		if got := f.post("/v1/functions", fmt.Sprintf(`{"name":"f","image":"i","executionMode":"POOL","endpointUrl":%q}`, u)).status; got != 400 {
			t.Errorf("%s: status %d, want 400", u, got)
		}
	}
}
