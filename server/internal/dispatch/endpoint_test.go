package dispatch

import (
	"bufio"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/server/funcspec"
	"simplane/server/internal/fncall"
)

// called registers an endpoint and calls it. It returns the address that is
// dialled and the request line, or what is wrong with the endpoint.
func called(endpoint string) (addr, line string, problem error) {
	name, image, mode := "f", "i", funcspec.ModePool
	if _, err := funcspec.Resolve(funcspec.Input{Name: &name, Image: &image, ExecutionMode: &mode, EndpointURL: &endpoint}); err != nil {
		return "", "", err
	}
	lines := make(chan string, 1)
	p := newPoolTargets(func() *fasthttp.HostClient {
		return &fasthttp.HostClient{Name: "simplane", DisablePathNormalizing: true, DialTimeout: func(dialled string, _ time.Duration) (net.Conn, error) {
			addr = dialled
			near, far := net.Pipe()
			go func() {
				defer far.Close()
				line, _ := bufio.NewReader(far).ReadString('\n')
				lines <- line
			}()
			return near, nil
		}}
	})
	target, err := p.of(endpoint)
	if err != nil {
		return "", "", errors.New("registered, but it cannot be called: " + err.Error())
	}
	if _, err = target.Call(&fncall.Request{Input: []byte("1"), Deadline: time.Now().Add(time.Minute)}); addr == "" {
		return "", "", errors.New("registered, but it cannot be called: " + err.Error())
	}
	return addr, strings.TrimSuffix(<-lines, "\r\n"), nil
}

// What an endpoint may look like, where it is called then, and how; or that it
// is refused when it is registered.
func TestEndpointsOfEveryForm(t *testing.T) {
	for endpoint, want := range map[string]string{ // "address target", "" for refused
		"http://h":                         "h:80 /",
		"http://h/":                        "h:80 /",
		"HTTP://H/":                        "h:80 /",
		"http://h:8080/x":                  "h:8080 /x",
		"http://h:1/":                      "h:1 /",
		"http://h:65535/":                  "h:65535 /",
		"http://h:65536/":                  "",
		"http://h:99999/":                  "",
		"http://h:184467440737095516160/":  "",
		"http://h:0/":                      "",
		"http://h:/":                       "",
		"http://h:-1/":                     "",
		"http://h:+80/":                    "",
		"http://h:80a/":                    "",
		"http://h: 80/":                    "",
		"http://h:80:80/":                  "",
		"http://h/a b":                     "h:80 /a%20b",
		"http://h/ ":                       "h:80 /%20",
		" http://h/":                       "",
		"http://h x/":                      "",
		"http://h%20x/":                    "",
		"http://%61/":                      "",
		"http://h#\x10":                    "",
		"http://h\t/":                      "",
		"http://h/\t":                      "",
		"http://h/\x00":                    "",
		"http://h/a\r\nX: y":               "",
		"http://h/a%0d%0aX: y":             "h:80 /a%0d%0aX:%20y",
		"http://h/%zz":                     "",
		"http://h/?q=a b":                  "h:80 /?q=a%20b",
		"http://h?q=\u00e9#f":              "h:80 /?q=%C3%A9",
		"http://h/\u65e5":                  "h:80 /%E6%97%A5",
		"http://\u65e5/":                   "",
		"http://\uff11\uff12\uff17.0.0.1/": "",
		"http://xn--wgv71a/":               "xn--wgv71a:80 /",
		"http://u:p@h/":                    "h:80 /",
		"http://u@v@h/":                    "h:80 /",
		"http://h@/":                       "",
		"http://h\\@evil/":                 "",
		"http://h,g/":                      "",
		"http://h;g/":                      "",
		"http://h\"/":                      "",
		"http://h<>/":                      "",
		"http://h*/":                       "",
		"http:///x":                        "",
		"http://:80/":                      "",
		"http://./":                        "",
		"http://h../":                      "",
		"http://a..b/":                     "",
		"http://-/":                        "",
		"http://a_b/":                      "a_b:80 /",
		"http://h./":                       "h.:80 /",
		"http://127.0.0.1/":                "127.0.0.1:80 /",
		"http://127.0.0.1./":               "",
		"http://127.1/":                    "",
		"http://2130706433/":               "",
		"http://0x7f.1/":                   "",
		"http://0x7f000001/":               "",
		"http://0177.0.0.1/":               "",
		"http://1.2.3.4.5/":                "",
		"http://256.1.1.1/":                "",
		"http://a.0x/":                     "",
		"http://1.2.3.4.example/":          "1.2.3.4.example:80 /",
		"http://[::1]/":                    "[::1]:80 /",
		"https://[::1]:8443/":              "[::1]:8443 ",
		"http://[::1/":                     "",
		"http://::1/":                      "",
		"http://[::1]x/":                   "",
		"http://[h]/":                      "",
		"http://h/../x//y":                 "h:80 /../x//y",
		"http://" + strings.Repeat("a", 64) + "/":    "",
		"http://" + strings.Repeat("a.", 127) + "a/": "",
		"ftp://h/": "",
		"//h/":     "",
		"h":        "",
	} {
		addr, line, problem := called(endpoint)
		got := ""
		if problem == nil {
			got = addr + " "
			if parts := strings.Split(line, " "); len(parts) == 3 && parts[0] == "POST" && parts[2] == "HTTP/1.1" {
				got += parts[1]
			}
		}
		if got != want || problem != nil && !strings.Contains(problem.Error(), "endpointUrl: must ") {
			t.Errorf("%q: %q (%v), want %q", endpoint, got, problem, want)
		}
	}
}

// Whatever is registered is called where it says, at a port that exists, with
// one request line.
func FuzzEndpoint(f *testing.F) {
	for _, s := range []string{"http://h/a b", "https://[::1]:443/?x y#z", "http://u:p@127.0.0.1:1/", "http://h:65536/", "http://a,b/", "http://0x7f.1/", "http://h\u3002x/", "http://h?", "http://h/%0d%0a", "HTTP://H.:80//"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, endpoint string) {
		if endpoint == "" || strings.HasPrefix(strings.ToLower(endpoint), "https") {
			return // none, or the first line is that of TLS
		}
		addr, line, problem := called(endpoint)
		if problem != nil {
			if strings.Contains(problem.Error(), "cannot be called") {
				t.Errorf("%q: %v", endpoint, problem)
			}
			return
		}
		u, err := url.Parse(endpoint)
		if err != nil {
			t.Fatal(err)
		}
		host, port, err := net.SplitHostPort(addr)
		if n, _ := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			t.Errorf("%q is dialled at %q", endpoint, addr)
		}
		same := strings.EqualFold(host, u.Hostname())
		if want, err := netip.ParseAddr(u.Hostname()); err == nil {
			got, err := netip.ParseAddr(host)
			same = err == nil && got == want
		}
		if !same {
			t.Errorf("%q is dialled at %q", endpoint, addr)
		}
		if strings.Count(line, " ") != 2 || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r >= 0x7f }) {
			t.Errorf("%q: request line %q", endpoint, line)
		}
	})
}
