package live

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"time"
)

// InstanceArgs is the command line, after the executable, of an instance of a scaled
// function: a process that the server starts.
func InstanceArgs(endpoint string, startup time.Duration) []string {
	return []string{"sim", "live-instance", "--backend", endpoint, "--startup", startup.String()}
}

// ServeInstance is such an instance: it listens on $PORT, is healthy startup after
// its start, and passes calls on to the backend, which draws how they go. It serves
// until ctx ends.
func ServeInstance(ctx context.Context, backend string, startup time.Duration) error {
	ready := time.Now().Add(startup)
	target, err := url.Parse(backend)
	if err != nil || target.Host == "" {
		return errors.New("--backend: give the URL of the function's backend")
	}
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", os.Getenv("PORT")))
	if err != nil {
		return err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = transport.MaxIdleConns // one host
	proxy := &httputil.ReverseProxy{Transport: transport, Rewrite: func(p *httputil.ProxyRequest) { *p.Out.URL = *target }}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		if time.Now().Before(ready) {
			http.Error(w, "starting", http.StatusServiceUnavailable)
		}
	})
	mux.Handle("/", proxy)
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	stopped := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stopped()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
