// Package kubetest runs a Kubernetes control plane for tests: etcd and
// kube-apiserver, and kube-controller-manager where it is at hand. They are the
// real programs; there is no node, so a test that needs running pods plays the
// kubelet.
package kubetest

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/keyutil"
)

const (
	// readyWithin and stopWithin are for a hung program, not for a slow one.
	readyWithin = 3 * time.Minute
	stopWithin  = 20 * time.Second

	adminToken = "admin-of-the-test"
)

// Cluster is a running control plane. Its API server listens on 127.0.0.1 with
// a certificate of its own making and authorizes by RBAC.
type Cluster struct {
	dir       string
	bin       Binaries
	port      string
	etcdURL   string
	etcd      *daemon
	apiserver *daemon
	manager   *daemon
}

// Start starts a control plane that keeps its files in a new directory. Stop
// must be called.
func Start(bin Binaries) (*Cluster, error) {
	dir, err := os.MkdirTemp("", "kubetest")
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir, bin: bin}
	err = c.files()
	for _, start := range []func() error{c.startEtcd, c.StartAPIServer, c.startManager} {
		if err == nil {
			err = start()
		}
	}
	if err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

// Stop ends all programs and removes the files. A nil cluster has none.
func (c *Cluster) Stop() {
	if c == nil {
		return
	}
	c.manager.stop(syscall.SIGKILL)
	c.apiserver.stop(syscall.SIGKILL)
	c.etcd.stop(syscall.SIGKILL)
	_ = os.RemoveAll(c.dir)
}

// HasControllers says that the controllers of Deployments, EndpointSlices,
// autoscalers and garbage run.
func (c *Cluster) HasControllers() bool { return c.manager != nil }

func (c *Cluster) path(name string) string { return filepath.Join(c.dir, name) }

func (c *Cluster) files() error {
	key, err := keyutil.MakeEllipticPrivateKeyPEM()
	if err != nil {
		return err
	}
	if err := keyutil.WriteKey(c.path("sa.key"), key); err != nil {
		return err
	}
	return os.WriteFile(c.path("tokens.csv"), []byte(adminToken+`,admin,admin,"system:masters"`+"\n"), 0o600)
}

func (c *Cluster) startEtcd() error {
	client, err := freePort()
	if err != nil {
		return err
	}
	peer, err := freePort()
	if err != nil {
		return err
	}
	c.etcdURL = "http://127.0.0.1:" + client
	peerURL := "http://127.0.0.1:" + peer
	c.etcd, err = launch(c.dir, c.bin.Etcd,
		"--data-dir", c.path("etcd"),
		"--listen-client-urls", c.etcdURL, "--advertise-client-urls", c.etcdURL,
		"--listen-peer-urls", peerURL, "--initial-advertise-peer-urls", peerURL, "--initial-cluster", "default="+peerURL,
		"--unsafe-no-fsync") // the data need not outlive the machine
	if err != nil {
		return err
	}
	return c.etcd.await(func() error { return get(http.DefaultClient, c.etcdURL+"/health") })
}

// StartAPIServer starts kube-apiserver, again after KillAPIServer, and returns
// once it is ready.
func (c *Cluster) StartAPIServer() error {
	if c.port == "" {
		port, err := freePort()
		if err != nil {
			return err
		}
		c.port = port
	}
	var err error
	c.apiserver, err = launch(c.dir, c.bin.APIServer,
		"--etcd-servers", c.etcdURL,
		"--bind-address", "127.0.0.1", "--secure-port", c.port, "--cert-dir", c.path("certs"),
		"--endpoint-reconciler-type", "none", // the Service kubernetes could not point to loopback
		"--service-cluster-ip-range", "10.0.0.0/24",
		"--service-account-issuer", "https://kubernetes.default.svc",
		"--service-account-key-file", c.path("sa.key"), "--service-account-signing-key-file", c.path("sa.key"),
		"--token-auth-file", c.path("tokens.csv"),
		"--authorization-mode", "RBAC",
		// Off by default, on in hardened clusters: an owner reference that
		// blocks deletion needs a right on the owner's finalizers.
		"--enable-admission-plugins", "OwnerReferencesPermissionEnforcement",
	)
	if err != nil {
		return err
	}
	return c.apiserver.await(func() error {
		config, err := c.AdminConfig()
		if err != nil {
			return err
		}
		client, err := rest.HTTPClientFor(config)
		if err != nil {
			return err
		}
		defer client.CloseIdleConnections()
		return get(client, config.Host+"/readyz")
	})
}

// KillAPIServer ends kube-apiserver at once, connections and all.
func (c *Cluster) KillAPIServer() { c.apiserver.stop(syscall.SIGKILL) }

// controllers are those with something to do for functions, or for a namespace.
var controllers = []string{
	"deployment-controller", "replicaset-controller", "endpointslice-controller",
	"horizontal-pod-autoscaler-controller", "garbage-collector-controller",
	"serviceaccount-controller", "namespace-controller", "resourcequota-controller",
}

// startManager starts the controllers that matter here, if they are at hand.
func (c *Cluster) startManager() error {
	if c.bin.ControllerManager == "" {
		return nil
	}
	kubeconfig, err := c.Kubeconfig("manager", adminToken)
	if err != nil {
		return err
	}
	c.manager, err = launch(c.dir, c.bin.ControllerManager,
		"--kubeconfig", kubeconfig, "--leader-elect=false", "--secure-port", "0",
		"--service-account-private-key-file", c.path("sa.key"),
		"--horizontal-pod-autoscaler-sync-period", "1s",
		"--controllers", strings.Join(controllers, ","),
	)
	return err
}

// AdminConfig is the configuration of a client that may do anything.
func (c *Cluster) AdminConfig() (*rest.Config, error) {
	path, err := c.Kubeconfig("admin", adminToken)
	if err != nil {
		return nil, err
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		return nil, err
	}
	config.QPS = -1 // tests need no restraint
	return config, nil
}

// Admin makes a client that may do anything.
func (c *Cluster) Admin() (kubernetes.Interface, error) {
	config, err := c.AdminConfig()
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config)
}

// Kubeconfig writes a kubeconfig file for a bearer token and returns its path.
func (c *Cluster) Kubeconfig(name, token string) (string, error) {
	// The API server makes it before it listens. It holds the chain.
	ca, err := os.ReadFile(c.path("certs/apiserver.crt"))
	if err != nil {
		return "", err
	}
	path := c.path(name + ".kubeconfig")
	return path, clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"test": {Server: "https://127.0.0.1:" + c.port, CertificateAuthorityData: ca}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{name: {Token: token}},
		Contexts:       map[string]*clientcmdapi.Context{"test": {Cluster: "test", AuthInfo: name}},
		CurrentContext: "test",
	}, path)
}

func get(client *http.Client, url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(url + ": " + resp.Status)
	}
	return nil
}
