package server

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
	for _, url := range []string{"ftp://a/", "http:///x", "/x", "http://a b/"} {
		if _, err := p.of(url); err == nil {
			t.Errorf("%s was taken", url)
		}
	}
}

// Functions come and go; their endpoints must not pile up.
func TestPoolTargetsAreBounded(t *testing.T) {
	p := newPoolTargets(func() *fasthttp.HostClient { return &fasthttp.HostClient{Name: "simplane"} })
	for i := range 5 * leastTargets {
		if _, err := p.of(fmt.Sprintf("http://host-%d/", i)); err != nil {
			t.Fatal(err)
		}
	}
	if len(p.targets) > leastTargets || len(p.hosts) > leastTargets {
		t.Errorf("%d targets and %d hosts are kept", len(p.targets), len(p.hosts))
	}
}
