package kubernetes

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/metrics/pkg/apis/metrics/v1beta1"
	metricsv1beta1 "k8s.io/metrics/pkg/client/clientset/versioned/typed/metrics/v1beta1"

	"simplane/server/harness/kubetest"
)

// The tests in real_*_test.go run against a real kube-apiserver and are skipped
// without one; docs/kubernetes.md says how to get it. They share one cluster,
// each with a namespace of its own, and the provider has no more rights in it
// than docs/kubernetes.md gives.

var sharedCluster = sync.OnceValues(func() (*kubetest.Cluster, error) {
	bin, err := kubetest.Find()
	if err != nil {
		return nil, err
	}
	c, err := kubetest.Start(bin)
	stopShared = c.Stop
	return c, err
})

var stopShared = func() {}

func TestMain(m *testing.M) {
	code := m.Run()
	stopShared()
	os.Exit(code)
}

// real is a namespace on a real cluster.
type real struct {
	t       *testing.T
	cluster *kubetest.Cluster
	admin   kubernetes.Interface
	ns      string
	token   string // of the service account simplane runs as
	log     *slog.Logger
	logged  *buffer
}

// buffer is a log that is read while it is written.
type buffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// realCluster makes a namespace where simplane has the documented rights, but
// for those on the resources in without: "pods", or "metrics.k8s.io/pods" of a
// group.
func realCluster(t *testing.T, without ...string) *real {
	t.Helper()
	cluster, err := sharedCluster()
	if errors.Is(err, kubetest.ErrNone) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	logged := &buffer{}
	r := &real{t: t, cluster: cluster, logged: logged, log: slog.New(slog.NewTextHandler(io.MultiWriter(logged, t.Output()), nil)), admin: must[kubernetes.Interface](t)(cluster.Admin())}
	ns := must[*corev1.Namespace](t)(r.admin.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "functions-"}}, metav1.CreateOptions{}))
	r.ns = ns.Name
	for _, name := range []string{"simplane", "default"} { // default: pods need it
		_, err := r.admin.CoreV1().ServiceAccounts(r.ns).Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
	}
	r.token = must[*authenticationv1.TokenRequest](t)(r.admin.CoreV1().ServiceAccounts(r.ns).CreateToken(ctx, "simplane", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})).Status.Token
	role := documentedRole(t)
	role.Rules = slices.DeleteFunc(role.Rules, func(rule rbacv1.PolicyRule) bool {
		return slices.ContainsFunc(rule.Resources, func(resource string) bool {
			return slices.Contains(without, resource) && rule.APIGroups[0] != v1beta1.GroupName || slices.Contains(without, rule.APIGroups[0]+"/"+resource)
		})
	})
	r.grant(role)
	return r
}

// documentedRole is the Role of docs/kubernetes.md.
func documentedRole(t *testing.T) *rbacv1.Role {
	t.Helper()
	page := string(must[[]byte](t)(os.ReadFile("../../../docs/kubernetes.md")))
	for _, block := range strings.Split(page, "```")[1:] {
		if yaml, ok := strings.CutPrefix(block, "yaml\n"); ok && strings.Contains(yaml, "kind: Role\n") {
			object, _, err := scheme.Codecs.UniversalDeserializer().Decode([]byte(yaml), nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			return object.(*rbacv1.Role)
		}
	}
	t.Fatal("docs/kubernetes.md has no Role")
	return nil
}

// grant gives simplane's service account a role in its namespace, and waits
// until the API server's authorizer knows.
func (r *real) grant(role *rbacv1.Role) {
	r.t.Helper()
	role.Namespace = r.ns
	must[*rbacv1.Role](r.t)(r.admin.RbacV1().Roles(r.ns).Create(ctx, role, metav1.CreateOptions{}))
	must[*rbacv1.RoleBinding](r.t)(r.admin.RbacV1().RoleBindings(r.ns).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: r.ns, Name: "simplane"}},
	}, metav1.CreateOptions{}))
	client, _ := r.client()
	eventually(r.t, "the role counts", func() bool {
		_, err := client.CoreV1().Pods(r.ns).List(ctx, metav1.ListOptions{})
		return err == nil
	})
}

// client is one with simplane's rights, and what it sends.
func (r *real) client() (kubernetes.Interface, *recorder) {
	r.t.Helper()
	client, _, sent := r.clients()
	return client, sent
}

// clients are those of a provider.
func (r *real) clients() (kubernetes.Interface, metricsv1beta1.PodMetricsesGetter, *recorder) {
	r.t.Helper()
	path := must[string](r.t)(r.cluster.Kubeconfig(r.ns, r.token))
	config, err := restConfig(path, r.log)
	if err != nil {
		r.t.Fatal(err)
	}
	sent := &recorder{}
	config.Wrap(sent.wrap)
	client, metrics, err := connect(config, r.log)
	if err != nil {
		r.t.Fatal(err)
	}
	return client, metrics, sent
}

// provider starts one as simplane serve would.
func (r *real) provider(opt Options) (*Provider, *recorder) {
	r.t.Helper()
	client, metrics, sent := r.clients()
	opt.Client, opt.Metrics, opt.Namespace, opt.Logger = client, metrics, r.ns, r.log
	p, err := New(opt)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := p.Close(ctx); err != nil {
			r.t.Error(err)
		}
	})
	return p, sent
}

// request is one the API server answered.
type request struct {
	verb     string // of RBAC
	group    string
	resource string // with its subresource, such as pods/log
	name     string
	status   int
}

func (q request) String() string {
	return fmt.Sprintf("%s %s %s: %d", q.verb, strings.Trim(q.group+"/"+q.resource, "/"), q.name, q.status)
}

// recorder notes the requests of a client.
type recorder struct {
	mu  sync.Mutex
	all []request
}

func (c *recorder) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		if err == nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.all = append(c.all, describe(r, resp.StatusCode))
		}
		return resp, err
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// describe reads a path such as /apis/apps/v1/namespaces/NS/deployments/NAME.
func describe(r *http.Request, status int) request {
	part := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	q := request{verb: strings.ToLower(r.Method), status: status}
	if part[0] == "apis" {
		q.group, part = part[1], part[1:]
	}
	part = part[4:] // the version, "namespaces" and which
	q.resource = part[0]
	if len(part) > 1 {
		q.name = part[1]
	}
	if len(part) > 2 {
		q.resource += "/" + part[2]
	}
	if q.verb == "get" && q.name == "" {
		q.verb = "list"
		if r.URL.Query().Get("watch") != "" {
			q.verb = "watch"
		}
	}
	return q
}

// has says that there was such a request since the last take.
func (c *recorder) has(verb, resource string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.all, func(q request) bool { return q.verb == verb && q.resource == resource })
}

// take returns the requests since the last take. reads are get, list, watch.
func (c *recorder) take() (reads, writes []request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, q := range c.all {
		switch q.verb {
		case "get", "list", "watch":
			reads = append(reads, q)
		default:
			writes = append(writes, q)
		}
	}
	c.all = nil
	return reads, writes
}

// hostAddress is an address of this machine that an EndpointSlice takes: the
// API server refuses loopback.
func hostAddress(t *testing.T) string {
	t.Helper()
	for _, a := range must[[]net.Addr](t)(net.InterfaceAddrs()) {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	t.Skip("this machine has no IPv4 address but loopback")
	return ""
}

// serveAt serves on this machine's own address, at a free port.
func serveAt(t *testing.T, tls bool, h http.HandlerFunc) (host string, port int32) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Listener.Close()
	s.Listener = must[net.Listener](t)(net.Listen("tcp", net.JoinHostPort(hostAddress(t), "0")))
	if tls {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	host, p, _ := net.SplitHostPort(s.Listener.Addr().String())
	n, _ := strconv.Atoi(p)
	return host, int32(n)
}

// echo is a function that answers with its name and its input.
func echo(t *testing.T, name string) (host string, port int32) {
	t.Helper()
	return serveAt(t, false, func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Input json.RawMessage }
		raw, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(raw, &body)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"from": name, "input": body.Input})
	})
}
