package container_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/moby/moby/client"

	"simplane/server/harness/containers"
	"simplane/server/provider"
	"simplane/server/provider/container"
)

// hub is a registry of this process; the engine reaches it on loopback.
type hub struct {
	addr  string
	state atomic.Value // "", "credentials", "forbidden", "broken"
	pulls atomic.Int64 // of manifests
}

func startHub(t *testing.T) *hub {
	h := &hub{}
	h.state.Store("")
	images := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		switch state := h.state.Load(); {
		case state == "credentials" && (user != "me" || password != "secret"):
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		case state == "forbidden":
			w.WriteHeader(http.StatusForbidden)
			return
		case state == "broken":
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/manifests/") {
			h.pulls.Add(1)
		}
		images.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	h.addr = strings.TrimPrefix(s.URL, "http://")
	return h
}

// push puts an image into the registry, and takes it from the engine.
func (h *hub) push(t *testing.T, c *client.Client, image, name string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	tag := h.addr + "/" + name
	if _, err := c.ImageTag(ctx, client.ImageTagOptions{Source: image, Target: tag}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { containers.RemoveImage(c, tag) })
	pushed, err := c.ImagePush(ctx, tag, client.ImagePushOptions{RegistryAuth: "e30="})
	if err == nil {
		err = pushed.Wait(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	containers.RemoveImage(c, tag)
	return tag
}

func credentials(t *testing.T, host string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, auth := range files {
		if err := os.WriteFile(filepath.Join(dir, name+".json"), []byte(strings.ReplaceAll(auth, "HOST", host)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// What the registry says of an image is told before a function is registered.
func TestImageIsChecked(t *testing.T) {
	c := containers.Client(t)
	h := startHub(t)
	there := h.push(t, c, containers.Image(t, c, functionPackage), "team/f:1")
	dir := credentials(t, h.addr, map[string]string{
		"right": `{"auths": {"other.example": {"auth": "eA=="}, "http://HOST/v2/": {"auth": "bWU6c2VjcmV0"}}}`,
		"words": `{"auths": {"HOST": {"username": "me", "password": "secret"}}}`,
		"wrong": `{"auths": {"HOST": {"auth": "bWU6d3Jvbmc="}}}`, "torn": `{"auths"`,
	})
	k := startAt(t, c, containers.Name(t, c), container.Options{Credentials: dir})
	check := func(image string, secrets ...string) string {
		d := deployment(image)
		d.ImagePullSecrets = secrets
		err := k.CheckImage(context.Background(), d)
		var e *provider.ImageError
		switch {
		case err == nil:
			return ""
		case errors.As(err, &e):
			if !strings.Contains(e.Message, image) || strings.Contains(e.Message, "secret\"") {
				t.Errorf("%s: %s", image, e.Message)
			}
			return e.Code
		}
		return err.Error()
	}
	asks := containers.AsksRegistries(t, c)
	for _, step := range []struct {
		state, image string
		secrets      []string
		want         string
	}{
		{"", there, nil, ""},
		{"", h.addr + "/team/f:2", nil, provider.CodeImageNotFound},
		{"", h.addr + "/nobody/f:1", nil, provider.CodeImageNotFound},
		{"credentials", there, nil, provider.CodeImageAuth},
		{"credentials", there, []string{"wrong"}, provider.CodeImageAuth},
		{"credentials", there, []string{"right"}, ""},
		{"credentials", there, []string{"words"}, ""},
		{"forbidden", there, []string{"right"}, provider.CodeImageAuth},
		{"broken", there, []string{"right"}, provider.CodeImageRegistry},
		{"", "127.0.0.1:1/f:1", nil, provider.CodeImageRegistry},
		{"", "registry.invalid/f:1", nil, provider.CodeImageRegistry},
	} {
		if !asks {
			step.want = "" // the first start tells
		}
		h.state.Store(step.state)
		if got := check(step.image, step.secrets...); got != step.want {
			t.Errorf("%q %s %v: %q, want %q", step.state, step.image, step.secrets, got, step.want)
		}
	}
	for _, name := range []string{"torn", "none", "../right", "a/b"} {
		d := deployment(there)
		d.ImagePullSecrets = []string{name}
		var invalid *provider.InvalidError
		if err := k.Provision(context.Background(), d); !errors.As(err, &invalid) || !strings.Contains(err.Error(), "imagePullSecrets[0]: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The image is fetched once for all instances, with the credentials; whether again is
// for the policy to say.
func TestPullPolicies(t *testing.T) {
	c := containers.Client(t)
	local := containers.Image(t, c, functionPackage)
	for policy, want := range map[string]struct{ first, again string }{
		container.PullMissing: {"", ""},
		container.PullAlways:  {"", provider.CodeImageRegistry},
		container.PullNever:   {provider.CodeImageNotFound, ""},
	} {
		t.Run(policy, func(t *testing.T) {
			h := startHub(t)
			image := h.push(t, c, local, "f:1")
			h.state.Store("credentials")
			k := startAt(t, c, containers.Name(t, c), container.Options{Pull: policy, BackoffBase: time.Hour, BackoffMax: time.Hour,
				Credentials: credentials(t, h.addr, map[string]string{"default": `{"auths": {"HOST": {"auth": "bWU6c2VjcmV0"}}}`})})
			d := deployment(image)
			d.Replicas = 3
			k.provision(d)
			r := k.invoke("f", "see")
			if r.ErrorCode != "" != (want.first != "") {
				t.Fatalf("%+v", r)
			}
			if want.first == "" {
				eventually(t, "three", func() bool { s, _ := k.Status("f"); return s.Ready == 3 })
				if n := h.pulls.Load(); policy == container.PullMissing && n > 2 {
					t.Errorf("three instances fetched the image, %d requests", n)
				}
			} else if !strings.Contains(r.ErrorMessage, "--container-pull never") {
				t.Errorf("%+v", r)
			}
			// The engine has it now, and the registry is gone.
			h.state.Store("broken")
			if policy == container.PullNever {
				return
			}
			var e *provider.ImageError
			if err := k.CheckImage(context.Background(), d); containers.AsksRegistries(t, c) && (err != nil != (want.again != "") || err != nil && (!errors.As(err, &e) || e.Code != want.again)) {
				t.Errorf("%v, want %q", err, want.again)
			}
			d.Name, d.Replicas = "other", 0
			k.provision(d)
			if r := k.invoke("other", "see"); r.OK() != (want.again == "") {
				t.Errorf("%+v", r)
			}
		})
	}
}

// Who has the engine's image needs no registry.
func TestLocalImageNeedsNoRegistry(t *testing.T) {
	k := start(t, container.Options{Pull: container.PullNever})
	d := deployment(containers.Image(t, k.c, functionPackage))
	if err := k.CheckImage(context.Background(), d); err != nil {
		t.Error(err)
	}
	k.provision(d)
	k.see("f")
	// Forwarded ports in place of addresses: the same function, reached otherwise.
	p := start(t, container.Options{Reach: container.ReachPort})
	p.provision(d)
	p.see("f")
	if e := p.Endpoints("f"); len(e) != 1 || !strings.HasPrefix(e[0].Address, "127.0.0.1:") {
		t.Errorf("%+v", e)
	}
}
