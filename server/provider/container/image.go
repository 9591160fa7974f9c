package container

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/client"

	"simplane/server/provider"
)

// CheckImage implements provider.ImageChecker: the image is at the engine, or its
// registry has it and lets it be fetched.
func (p *Provider) CheckImage(ctx context.Context, d provider.Deployment) error {
	if p.check(d) != nil {
		return nil // Provision says what is wrong
	}
	ctx, cancel := p.call(ctx)
	defer cancel()
	if here, err := p.fetched(ctx, d.Image); here || err != nil {
		return err
	}
	auth, err := p.auth(d)
	if err != nil {
		return err
	}
	_, err = p.opt.Client.DistributionInspect(ctx, d.Image, client.DistributionInspectOptions{EncodedRegistryAuth: auth})
	if err != nil && noSuchCall(err) {
		return nil // Podman before version 5 does not look; the first start tells
	}
	return imageError(d.Image, err)
}

// noSuchCall reports whether an engine says that it does not know a call, and not that
// a registry does not have an image.
func noSuchCall(err error) bool {
	text := strings.ToLower(engineSays(err).Error())
	return text == "not found" || strings.Contains(text, "page not found")
}

// fetched says that the image is at the engine and, by the pull policy, need not be
// fetched again. The error is also that it is not, and must not be fetched.
func (p *Provider) fetched(ctx context.Context, image string) (bool, error) {
	if p.opt.Pull == PullAlways {
		return false, nil
	}
	here, err := p.hasImage(ctx, image)
	if err == nil && !here && p.opt.Pull == PullNever {
		err = &provider.ImageError{Code: provider.CodeImageNotFound, Message: fmt.Sprintf("the engine does not have image %s, and simplane is not to fetch it (--container-pull never)", image)}
	}
	return here, err
}

func (p *Provider) hasImage(ctx context.Context, image string) (bool, error) {
	_, err := p.opt.Client.ImageInspect(ctx, image)
	p.engine.note(err)
	if cerrdefs.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// imageError tells the kinds of a registry's refusal apart; nil for nil. Engines
// answer most of them with status 500 and the registry's words.
func imageError(image string, err error) error {
	if err == nil {
		return nil
	}
	text := strings.TrimPrefix(err.Error(), "Error response from daemon: ")
	lower := strings.ToLower(text)
	says := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(lower, w) {
				return true
			}
		}
		return false
	}
	switch {
	case client.IsErrConnectionFailed(err):
		return err
	case cerrdefs.IsNotFound(err) || says("manifest unknown", "name unknown", "not found: manifest"):
		return &provider.ImageError{Code: provider.CodeImageNotFound, Message: fmt.Sprintf("image %s: the registry does not have it: %s", image, text)}
	case cerrdefs.IsUnauthorized(err) || cerrdefs.IsPermissionDenied(err) ||
		says("unauthorized", "authentication required", "no basic auth credentials", "access denied", "denied:", "http 403", "http 401", "403 forbidden", "401 unauthorized"):
		return &provider.ImageError{Code: provider.CodeImageAuth, Message: fmt.Sprintf("image %s: the registry asks for other credentials (imagePullSecrets, --image-credentials): %s", image, text)}
	case errors.Is(err, context.DeadlineExceeded):
		text = "it did not answer in time"
	}
	return &provider.ImageError{Code: provider.CodeImageRegistry, Message: fmt.Sprintf("image %s: the registry cannot be asked: %s", image, text)}
}

// pulls fetches an image once, however many instances wait for it.
type pulls struct {
	mu      sync.Mutex
	current map[string]*pull
}

type pull struct {
	done chan struct{}
	err  error
}

// fetch has the engine have the image of d, as the pull policy says.
func (p *Provider) fetch(ctx context.Context, d provider.Deployment) error {
	bounded, cancel := p.call(ctx)
	here, err := p.fetched(bounded, d.Image)
	cancel()
	if here || err != nil {
		return err
	}
	auth, err := p.auth(d)
	if err != nil {
		return err
	}
	key := d.Image + "\x00" + auth
	p.pulls.mu.Lock()
	one := p.pulls.current[key]
	if one == nil {
		one = &pull{done: make(chan struct{})}
		if p.pulls.current == nil {
			p.pulls.current = map[string]*pull{}
		}
		p.pulls.current[key] = one
		p.loops.Go(func() {
			began := time.Now()
			one.err = p.pull(d.Image, auth)
			if one.err == nil {
				p.log.Info("image fetched", "image", d.Image, "took", time.Since(began).Round(time.Millisecond))
			}
			p.pulls.mu.Lock()
			delete(p.pulls.current, key)
			p.pulls.mu.Unlock()
			close(one.done)
		})
	}
	p.pulls.mu.Unlock()
	select {
	case <-one.done:
		return one.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *Provider) pull(image, auth string) error {
	ctx, cancel := context.WithTimeout(p.ctx, p.opt.PullTimeout)
	defer cancel()
	stream, err := p.opt.Client.ImagePull(ctx, image, client.ImagePullOptions{RegistryAuth: auth})
	if err == nil {
		err = stream.Wait(ctx)
	}
	p.engine.note(err)
	return imageError(image, err)
}

// auth is what the registry of d's image is told; empty for nothing.
func (p *Provider) auth(d provider.Deployment) (string, error) {
	named, err := reference.ParseNormalizedNamed(d.Image)
	if err != nil {
		return "", err
	}
	names := d.ImagePullSecrets
	if len(names) == 0 {
		names = []string{defaultCredentials}
	}
	for _, name := range names {
		file, err := p.opt.credentials(name)
		if err != nil && len(d.ImagePullSecrets) > 0 {
			return "", &provider.ImageError{Code: provider.CodeImageAuth, Message: "imagePullSecrets: " + err.Error()}
		}
		if auth, ok := file.of(reference.Domain(named)); ok {
			return authconfig.Encode(auth)
		}
	}
	return "", nil
}

// defaultCredentials is the file for functions that name none.
const defaultCredentials = "default"

// credentialFile is the part of Docker's config.json that is read.
type credentialFile struct {
	Auths map[string]struct {
		Auth          string `json:"auth"` // base64 of user:password
		Username      string `json:"username"`
		Password      string `json:"password"`
		IdentityToken string `json:"identitytoken"`
	} `json:"auths"`
}

var credentialName = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9._-]{0,126}[a-zA-Z0-9])?$`)

// maxCredentialBytes bounds a file of credentials.
const maxCredentialBytes = 1 << 20

// credentials reads a file of credentials. It is read each time, so that it can be
// replaced.
func (o Options) credentials(name string) (f credentialFile, err error) {
	if o.Credentials == "" {
		return f, fmt.Errorf("there are no credentials %q: simplane runs without --image-credentials", name)
	}
	if !credentialName.MatchString(name) {
		return f, fmt.Errorf("%q cannot be the name of credentials", name)
	}
	path := filepath.Join(o.Credentials, name+".json")
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return f, fmt.Errorf("there are no credentials %q", name)
	case err != nil:
		return f, fmt.Errorf("credentials %q cannot be read", name) // the path is the operator's
	case info.Size() > maxCredentialBytes || !info.Mode().IsRegular():
		return f, fmt.Errorf("credentials %q are no file of at most %d bytes", name, maxCredentialBytes)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return f, fmt.Errorf("credentials %q cannot be read", name)
	}
	if err := json.Unmarshal(raw, &f); err != nil {
		return f, fmt.Errorf("credentials %q are not in the format of Docker's config.json", name)
	}
	return f, nil
}

// of are the credentials for a registry.
func (f credentialFile) of(domain string) (registry.AuthConfig, bool) {
	for host, a := range f.Auths {
		if registryHost(host) != domain {
			continue
		}
		auth := registry.AuthConfig{Username: a.Username, Password: a.Password, IdentityToken: a.IdentityToken, ServerAddress: host}
		if raw, err := base64.StdEncoding.DecodeString(a.Auth); err == nil && a.Auth != "" {
			user, password, _ := strings.Cut(string(raw), ":")
			auth.Username, auth.Password = user, strings.TrimRight(password, "\x00")
		}
		return auth, true
	}
	return registry.AuthConfig{}, false
}

// registryHost is the registry that a key of a credential file is about: a host, or
// an address of Docker's own.
func registryHost(key string) string {
	key = strings.TrimPrefix(strings.TrimPrefix(key, "https://"), "http://")
	host, _, _ := strings.Cut(key, "/")
	if host == "index.docker.io" || host == "registry-1.docker.io" {
		return "docker.io"
	}
	return host
}
