package ui_test

import (
	"io/fs"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"simplane/server"
	"simplane/server/internal/ui"
)

// Everything that a file of the dashboard refers to is there, and nothing of
// it is elsewhere or inline, where the content policy would stop it.
func TestTheDashboardIsWhole(t *testing.T) {
	static := os.DirFS("static")
	reference := regexp.MustCompile(`(?:src|href)="([^"#]+)"|from '([^']+)'|import '([^']+)'`)
	imported := map[string]bool{"index.html": true, "viewer.html": true}
	err := fs.WalkDir(static, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		f, ok := ui.Lookup(name)
		if !ok || f.ContentType == "application/octet-stream" {
			t.Errorf("%s: embedded %v, as %q", name, ok, f.ContentType)
		}
		text := string(f.Body)
		for _, m := range reference.FindAllStringSubmatch(text, -1) {
			target := m[1] + m[2] + m[3]
			dir := name[:strings.LastIndex(name, "/")+1]
			path := strings.TrimPrefix(cleaned(dir+target), "./")
			if _, ok := ui.Lookup(path); !ok {
				t.Errorf("%s refers to %s, which is not there", name, target)
			}
			imported[path] = true
		}
		for _, forbidden := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "new Function", "style=", "onclick=\"", "javascript:"} {
			if strings.Contains(text, forbidden) && name != "viewer.js" {
				t.Errorf("%s has %s", name, forbidden)
			}
		}
		for _, url := range regexp.MustCompile(`https?://[a-z0-9.]+`).FindAllString(text, -1) {
			if url != "http://www.w3.org" { // the name of SVG's namespace
				t.Errorf("%s names %s", name, url)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = fs.WalkDir(static, ".", func(name string, entry fs.DirEntry, _ error) error {
		if !entry.IsDir() && !imported[name] {
			t.Errorf("nothing refers to %s", name)
		}
		return nil
	})
}

// cleaned resolves "a/../b".
func cleaned(path string) string {
	var out []string
	for _, part := range strings.Split(path, "/") {
		switch part {
		case ".":
		case "..":
			out = out[:len(out)-1]
		default:
			out = append(out, part)
		}
	}
	return strings.Join(out, "/")
}

func TestHowTheDashboardIsServed(t *testing.T) {
	p := startPlane(t, func(c *server.Config) { c.InternalToken, c.ManageToken, c.InvokeToken = "a", "b", "c" })
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for _, c := range []struct {
		method, address, path string
		status                int
		kind, csp             string
	}{
		{"GET", p.MgmtAddr(), "/ui/", 200, "text/html; charset=utf-8", "default-src 'self'"}, // without a token: it holds no data
		{"HEAD", p.MgmtAddr(), "/ui/", 200, "text/html; charset=utf-8", "frame-ancestors 'none'"},
		{"GET", p.MgmtAddr(), "/ui/views/invoke.js", 200, "text/javascript; charset=utf-8", "script-src 'self'"},
		{"GET", p.MgmtAddr(), "/ui/style.css", 200, "text/css; charset=utf-8", "default-src 'self'"},
		{"GET", p.MgmtAddr(), "/ui/viewer.html", 200, "text/html; charset=utf-8", "sandbox allow-scripts; default-src 'none'; script-src 'self';"},
		{"GET", p.MgmtAddr(), "/ui", 308, "", ""},
		{"GET", p.MgmtAddr(), "/ui/none.js", 404, "application/json", ""},
		{"GET", p.MgmtAddr(), "/ui/views", 404, "application/json", ""},
		{"GET", p.MgmtAddr(), "/ui/%2e%2e/ui.go", 404, "application/json", ""},
		{"GET", p.MgmtAddr(), "/uix", 404, "application/json", ""},
		{"POST", p.MgmtAddr(), "/ui/", 404, "application/json", ""},
		{"GET", p.Addr(), "/ui/", 404, "application/json", ""}, // not on the public address
	} {
		req, err := http.NewRequest(c.method, "http://"+c.address+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		h := res.Header
		if res.StatusCode != c.status || c.kind != "" && h.Get("Content-Type") != c.kind || !strings.Contains(h.Get("Content-Security-Policy"), c.csp) {
			t.Errorf("%s %s: %d %v", c.method, c.path, res.StatusCode, h)
		}
		if c.status == 200 && (h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer") {
			t.Errorf("%s %s: %v", c.method, c.path, h)
		}
		if c.status == 308 && h.Get("Location") != "ui/" {
			t.Errorf("redirected to %q", h.Get("Location"))
		}
	}
}
