package dispatch

import (
	"fmt"
	"testing"

	"github.com/valyala/fasthttp"
)

func TestPoolTargetsShareAHost(t *testing.T) {
	p := newPoolTargets(func() *fasthttp.HostClient { return &fasthttp.HostClient{Name: "simplane"} })
	for _, url := range []string{"http://a/x", "http://a:80/y?q", "http://A/x", "https://a/x", "http://a:81/x", "http://a/x"} {
		if _, err := p.of(url); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	if len(p.hosts) != 3 || p.hosts["http://a:80"] == nil || !p.hosts["https://a:443"].IsTLS {
		t.Errorf("hosts: %v", p.hosts)
	}
	if len(p.targets) != 5 {
		t.Errorf("%d targets", len(p.targets))
	}
	for _, url := range []string{"ftp://a/", "http:///x", "/x", "http://a b/", "http://nothing,127.0.0.1:2/"} {
		if _, err := p.of(url); err == nil {
			t.Errorf("%s was taken", url)
		}
	}
}

// Functions come and go; their endpoints must not pile up, whether on one host
// or on many.
func TestPoolTargetsAreBounded(t *testing.T) {
	for _, url := range []string{"http://host-%d/", "http://host/%d"} {
		p := newPoolTargets(func() *fasthttp.HostClient { return &fasthttp.HostClient{Name: "simplane"} })
		for i := range 3 * mostTargets {
			if _, err := p.of(fmt.Sprintf(url, i)); err != nil {
				t.Fatal(err)
			}
		}
		if len(p.targets) > mostTargets || len(p.hosts) > mostTargets {
			t.Errorf("%d targets and %d hosts are kept", len(p.targets), len(p.hosts))
		}
	}
}
