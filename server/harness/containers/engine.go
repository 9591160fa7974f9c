// Package containers gives tests a container engine: images built from scratch out
// of this module's programs, and the removal of all that a test has made, also what
// an earlier run that was killed has left.
package containers

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"

	provider "simplane/server/provider/container"
)

// labelPID marks images with the process of the tests that built them.
const labelPID = "simplane.internal/test-pid"

// Client is a client of the machine's engine. Without an engine the test is skipped,
// with a line that says so.
func Client(t testing.TB) *client.Client {
	t.Helper()
	c, err := provider.Connect("")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if _, err := c.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true}); err != nil {
		fmt.Fprintf(os.Stderr, "\n*** NO CONTAINER ENGINE: %s is skipped: %v\n", t.Name(), err)
		t.Skip("no container engine: ", err)
	}
	clean.Do(func() { removeOfTheDead(c) })
	return c
}

// Socket is the engine's; the test is skipped when it is not at a socket of this machine.
func Socket(t testing.TB, c *client.Client) string {
	t.Helper()
	path, isSocket := strings.CutPrefix(c.DaemonHost(), "unix://")
	if !isSocket {
		t.Skip("the engine is not at a socket of this machine: ", c.DaemonHost())
	}
	return path
}

// Podman reports whether the engine is Podman.
func Podman(t testing.TB, c *client.Client) bool {
	t.Helper()
	v, err := c.ServerVersion(t.Context(), client.ServerVersionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(v.Components, func(p system.ComponentVersion) bool { return strings.Contains(p.Name, "Podman") })
}

// AsksRegistries reports whether the engine can ask a registry for an image without
// fetching it: Podman before version 5 cannot.
func AsksRegistries(t testing.TB, c *client.Client) bool {
	t.Helper()
	_, err := c.DistributionInspect(t.Context(), "127.0.0.1:1/none:1", client.DistributionInspectOptions{})
	cannot := err != nil && strings.HasSuffix(err.Error(), "Not Found")
	if cannot {
		fmt.Fprintf(os.Stderr, "\n*** THIS ENGINE CANNOT ASK REGISTRIES: what they say before a start is left out of %s\n", t.Name())
	}
	return !cannot
}

var clean sync.Once

// Name is a name for Options.Name. What has it is removed when the test ends.
func Name(t testing.TB, c *client.Client) string {
	name := fmt.Sprintf("test-%d-%s", os.Getpid(), strings.ToLower(rand.Text()[:6]))
	t.Cleanup(func() { remove(c, name) })
	return name
}

// remove removes the containers and networks of a name.
func remove(c *client.Client, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	filters := client.Filters{}.Add("label", "simplane.internal/name="+name)
	all, _ := c.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filters})
	for _, one := range all.Items {
		_, _ = c.ContainerRemove(ctx, one.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	}
	networks, _ := c.NetworkList(ctx, client.NetworkListOptions{Filters: filters})
	for _, n := range networks.Items {
		_, _ = c.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{})
	}
}

// removeOfTheDead removes what tests of processes that are no more have left.
func removeOfTheDead(c *client.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	names := map[string]bool{}
	note := func(labels map[string]string) {
		name := labels["simplane.internal/name"]
		if pid, _, ok := strings.Cut(strings.TrimPrefix(name, "test-"), "-"); ok && strings.HasPrefix(name, "test-") && dead(pid) {
			names[name] = true
		}
	}
	filters := client.Filters{}.Add("label", "simplane.internal/name")
	if all, err := c.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filters}); err == nil {
		for _, one := range all.Items {
			note(one.Labels)
		}
	}
	if all, err := c.NetworkList(ctx, client.NetworkListOptions{Filters: filters}); err == nil {
		for _, one := range all.Items {
			note(one.Labels)
		}
	}
	for name := range names {
		remove(c, name)
	}
	images, err := c.ImageList(ctx, client.ImageListOptions{Filters: client.Filters{}.Add("label", labelPID)})
	if err != nil {
		return
	}
	for _, one := range images.Items {
		if dead(one.Labels[labelPID]) {
			_, _ = c.ImageRemove(ctx, one.ID, client.ImageRemoveOptions{Force: true})
		}
	}
}

func dead(pid string) bool {
	n, err := strconv.Atoi(pid)
	return err == nil && n > 1 && syscall.Kill(n, 0) == syscall.ESRCH
}

// Image builds an image from scratch with one static program of this module, the
// package pkg below its root, as entry point. lines are more of its Dockerfile.
// Main removes it.
func Image(t testing.TB, c *client.Client, pkg string, lines ...string) string {
	t.Helper()
	return Build(t, c, Program(t, pkg), lines...)
}

// Build is Image with a program that is built already.
func Build(t testing.TB, c *client.Client, program string, lines ...string) string {
	t.Helper()
	raw, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	file := "FROM scratch\nLABEL " + labelPID + "=" + strconv.Itoa(os.Getpid()) + "\nCOPY program /program\nENTRYPOINT [\"/program\"]\n" + strings.Join(lines, "\n")
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, content := range map[string][]byte{"Dockerfile": []byte(file), "program": raw} {
		err = w.WriteHeader(&tar.Header{Name: name, Size: int64(len(content)), Mode: 0o755})
		if err == nil {
			_, err = w.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	tag := fmt.Sprintf("simplane-test/%s:%d", strings.ToLower(rand.Text()[:10]), os.Getpid())
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	build, err := c.ImageBuild(ctx, &b, client.ImageBuildOptions{Tags: []string{tag}, Remove: true, ForceRemove: true})
	if err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(build.Body)
	build.Body.Close()
	if err != nil || bytes.Contains(said, []byte("errorDetail")) {
		t.Fatalf("the image could not be built: %v\n%s", err, said)
	}
	RemoveAtEnd(c, tag)
	return tag
}

// RemoveAtEnd has Main remove an image, after the containers of all tests: of an image
// that a container has, an engine removes the name alone.
func RemoveAtEnd(c *client.Client, tag string) {
	built.Lock()
	defer built.Unlock()
	built.images = append(built.images, func() { RemoveImage(c, tag) })
}

// RemoveImage removes an image, if it is there.
func RemoveImage(c *client.Client, tag string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, _ = c.ImageRemove(ctx, tag, client.ImageRemoveOptions{Force: true, PruneChildren: true})
}

var built struct {
	sync.Mutex
	dir      string
	programs map[string]string
	images   []func() // that remove them
}

// Program builds a static program of this module, once in each test process.
func Program(t testing.TB, pkg string) string {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if path, ok := built.programs[pkg]; ok {
		return path
	}
	if built.dir == "" {
		dir, err := os.MkdirTemp("", "simplane-programs-")
		if err != nil {
			t.Fatal(err)
		}
		built.dir, built.programs = dir, map[string]string{}
	}
	path := filepath.Join(built.dir, filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", path, "simplane/"+pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", pkg, err, out)
	}
	built.programs[pkg] = path
	return path
}

// Main runs the tests of a package that uses this one, and removes what was built.
func Main(m interface{ Run() int }) {
	code := m.Run()
	for _, remove := range built.images { // after the containers of all tests
		remove()
	}
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// Kill removes a container, as somebody might.
func Kill(t testing.TB, c *client.Client, id string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := c.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
}

// Run starts a container that is no function's, NAME-self, and returns its address.
// It is removed with what else has the name.
func Run(t testing.TB, c *client.Client, name string, config *container.Config, host *container.HostConfig) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	config.Labels = map[string]string{"simplane.internal/name": name}
	made, err := c.ContainerCreate(ctx, client.ContainerCreateOptions{Name: name + "-self", Config: config, HostConfig: host})
	if err == nil {
		_, err = c.ContainerStart(ctx, made.ID, client.ContainerStartOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	found, err := c.ContainerInspect(ctx, made.ID, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			logs, err := c.ContainerLogs(context.Background(), made.ID, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true})
			if err == nil {
				raw, _ := io.ReadAll(logs)
				t.Logf("%s", raw)
			}
		}
	})
	for _, n := range found.Container.NetworkSettings.Networks { // the engine's own, whatever its name
		return n.IPAddress.String()
	}
	t.Fatal("the container is in no network")
	return ""
}

// Healthy reports whether the engine's health check of a container holds.
func Healthy(t testing.TB, c *client.Client, name string) bool {
	t.Helper()
	found, err := c.ContainerInspect(context.Background(), name, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return found.Container.State.Health != nil && found.Container.State.Health.Status == container.Healthy
}

// Group is the group of a file.
func Group(f os.FileInfo) uint32 { return f.Sys().(*syscall.Stat_t).Gid }
