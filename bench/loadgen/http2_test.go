package loadgen

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// overHTTP2 runs a short load.
func overHTTP2(t *testing.T, o Options) *Result {
	t.Helper()
	o.Connections, o.Duration, o.Timeout = 8, 200*time.Millisecond, 20*time.Second
	for i := range o.Targets {
		o.Targets[i].Weight = 1
	}
	res, _, err := Run(context.Background(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// A server that speaks nothing but HTTP/2 is reached over TLS and without, and gets what
// was asked for.
func TestHTTP2(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.ProtoMajor != 2 || string(body) != "in" || r.Header.Get("X-Mine") != "1" || r.Host != "named" {
			http.Error(w, "not what was sent: "+r.Proto+" "+string(body)+" "+r.Host, 400)
			return
		}
		_, _ = io.WriteString(w, "fine")
	})
	target := func(url string) []Target {
		return []Target{{Name: "t", Method: "POST", URL: url + "/path?q=1", Body: []byte("in"), ExpectBody: "fine", Headers: []Header{{"X-Mine", "1"}, {"Host", "named"}}}}
	}
	plain := httptest.NewUnstartedServer(handler)
	plain.Config.Protocols = new(http.Protocols)
	plain.Config.Protocols.SetUnencryptedHTTP2(true)
	plain.Start()
	defer plain.Close()
	secure := httptest.NewUnstartedServer(handler)
	secure.EnableHTTP2 = true
	secure.TLS = &tls.Config{NextProtos: []string{"h2"}}
	secure.StartTLS()
	defer secure.Close()
	for name, url := range map[string]string{"plain": plain.URL, "TLS": secure.URL} {
		res := overHTTP2(t, Options{Protocol: HTTP2, Insecure: true, Targets: target(url)})
		if res.OK == 0 || res.Failed != 0 {
			t.Errorf("%s: %d ok, %d failed: %+v", name, res.OK, res.Failed, res.Failures)
		}
	}
	if res := overHTTP2(t, Options{Protocol: HTTP2, Targets: target(secure.URL)}); res.OK != 0 || res.Failed == 0 {
		t.Errorf("a certificate of nobody was accepted: %d ok", res.OK)
	}
}

// A server of HTTP/1.1 alone is a failure, not a wait.
func TestHTTP2OfAServerWithoutIt(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
	defer srv.Close()
	res := overHTTP2(t, Options{Protocol: HTTP2, Targets: []Target{{Name: "t", Method: "GET", URL: srv.URL}}})
	if res.OK != 0 || res.Failed == 0 {
		t.Errorf("%d ok, %d failed", res.OK, res.Failed)
	}
}

// Unary calls of a real gRPC server: what it answers counts, not that it answers.
func TestGRPC(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer()
	defer srv.Stop()
	grpc_health_v1.RegisterHealthServer(srv, health.NewServer())
	go func() { _ = srv.Serve(l) }()
	url := "http://" + l.Addr().String() + "/grpc.health.v1.Health/"
	ok := overHTTP2(t, Options{Protocol: GRPC, Targets: []Target{{Name: "check", Method: "GET", URL: url + "Check"}}})
	if ok.OK == 0 || ok.Failed != 0 {
		t.Errorf("%d ok, %d failed: %+v", ok.OK, ok.Failed, ok.Failures)
	}
	// Field 1, a string: a service that is not there.
	unknown := overHTTP2(t, Options{Protocol: GRPC, Targets: []Target{{Name: "unknown", Method: "POST", URL: url + "Check", Body: []byte("\n\x04nope")}}})
	if unknown.OK != 0 || len(unknown.Failures) != 1 || unknown.Failures[0].Kind != "grpc status 5" || !strings.Contains(unknown.Failures[0].Sample, "unknown service") {
		t.Errorf("%d ok: %+v", unknown.OK, unknown.Failures)
	}
	none := overHTTP2(t, Options{Protocol: GRPC, Targets: []Target{{Name: "none", Method: "POST", URL: url + "None"}}})
	if none.OK != 0 || len(none.Failures) != 1 || none.Failures[0].Kind != "grpc status 12" {
		t.Errorf("%d ok: %+v", none.OK, none.Failures)
	}
	if err := (Options{Protocol: "spdy"}).Validate(); err == nil || !strings.Contains(err.Error(), "http1, http2, grpc") {
		t.Errorf("an unknown protocol: %v", err)
	}
}
