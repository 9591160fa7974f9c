package containers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	apicontainer "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"simplane/server/harness/containers"
	"simplane/server/harness/node"
)

var binary string

func TestMain(m *testing.M) { containers.Main(tests{m}) }

// tests builds simplane first.
type tests struct{ m *testing.M }

func (t tests) Run() int { return node.RunTests(t.m, node.Build, &binary) }

const hang = 2 * time.Minute // a test that waits longer has failed

// plane is a simplane server that is asked over HTTP.
type plane struct {
	t   *testing.T
	url string
}

var web = &http.Client{Timeout: hang}

// call makes a request and returns the status and the answer.
func (p plane) call(method, path, body string) (int, map[string]any) {
	p.t.Helper()
	a, err := node.Call(web, method, p.url+path, strings.NewReader(body), "Content-Type", "application/json")
	if err != nil {
		p.t.Fatal(err)
	}
	var v map[string]any
	_ = json.Unmarshal(a.Body, &v)
	return a.Status, v
}

func (p plane) expect(status int, method, path, body string) map[string]any {
	p.t.Helper()
	got, v := p.call(method, path, body)
	if got != status {
		p.t.Fatalf("%s %s: %d, not %d: %v", method, path, got, status, v)
	}
	return v
}

// invoke is the output of a successful call.
func (p plane) invoke(function, input string) any {
	p.t.Helper()
	v := p.expect(200, "POST", "/v1/functions/"+function+":invoke", fmt.Sprintf(`{"input":%q}`, input))
	if v["status"] != "success" {
		p.t.Fatalf("%v", v)
	}
	return v["output"]
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(hang); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still not: %s", what)
		}
	}
}

// serve runs simplane on this machine.
func serve(t *testing.T, args ...string) (*node.Node, plane) {
	t.Helper()
	n, err := node.Start(node.Options{Binary: binary, Args: append(args, "--rate-max-per-second", "0")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n.Kill()
		if t.Failed() {
			t.Logf("log:\n%s", n.Log())
		}
	})
	return n, plane{t, n.API}
}

// mine are the ids of the containers of a name, in these states; in any without one.
func mine(t *testing.T, c *client.Client, name string, states ...apicontainer.ContainerState) (ids []string) {
	t.Helper()
	all, err := c.ContainerList(context.Background(), client.ContainerListOptions{All: true, Filters: client.Filters{}.Add("label", "simplane.internal/name="+name)})
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range all.Items {
		if len(states) == 0 || slices.Contains(states, one.State) {
			ids = append(ids, one.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

const spec = `{"name":%q,"image":%q,"scalingConfig":{"strategy":"NONE","minReplicas":%d}}`

// A server that is killed leaves its containers to the next one, which takes over what
// is in its data directory and removes everything else.
func TestNothingIsOrphanedByAKill(t *testing.T) {
	c := containers.Client(t)
	name, dir := containers.Name(t, c), t.TempDir()
	image := containers.Image(t, c, "server/harness/containers/function")
	args := []string{"--provider", "container", "--container-name", name, "--container-pull", "never"}
	durable := append(slices.Clone(args), "--data-dir", dir)

	n, p := serve(t, durable...)
	p.expect(201, "POST", "/v1/functions", fmt.Sprintf(spec, "f", image, 2))
	p.invoke("f", "see")
	// One that is made and does not run yet is nobody's after a kill: see the next test.
	eventually(t, "two containers run", func() bool { return len(mine(t, c, name, apicontainer.StateRunning)) == 2 })
	before := mine(t, c, name)
	n.Kill()
	if left := mine(t, c, name); !slices.Equal(left, before) {
		t.Fatalf("a kill left %d containers of %d", len(left), len(before))
	}

	n, p = serve(t, durable...)
	p.invoke("f", "see")
	if now := mine(t, c, name); !slices.Equal(now, before) {
		t.Errorf("other containers than before the kill: %v, %v", now, before)
	}
	p.expect(204, "DELETE", "/v1/functions/f", "")
	eventually(t, "the deleted function has no container", func() bool { return len(mine(t, c, name)) == 0 })
	p.expect(201, "POST", "/v1/functions", fmt.Sprintf(spec, "g", image, 1))
	p.invoke("g", "see")
	if err := n.Stop(); err != nil { // as for an upgrade
		t.Fatal(err)
	}
	if left := mine(t, c, name); len(left) != 1 {
		t.Errorf("%d containers outlive a stop with a data directory", len(left))
	}

	// Without the data directory nobody knows g.
	n, p = serve(t, args...)
	eventually(t, "what nobody knows is gone", func() bool { return len(mine(t, c, name)) == 0 })
	p.expect(201, "POST", "/v1/functions", fmt.Sprintf(spec, "h", image, 1))
	p.invoke("h", "see")
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	if left := mine(t, c, name); len(left) != 0 {
		t.Errorf("%d containers outlive a stop without a data directory", len(left))
	}
}

// What a kill breaks off in the middle of a start is removed.
func TestAKillDuringAStartOrphansNothing(t *testing.T) {
	c := containers.Client(t)
	name, dir := containers.Name(t, c), t.TempDir()
	image := containers.Image(t, c, "server/harness/containers/function")
	args := []string{"--provider", "container", "--container-name", name, "--container-pull", "never", "--data-dir", dir}
	n, p := serve(t, args...)
	p.expect(201, "POST", "/v1/functions", fmt.Sprintf(spec, "f", image, 2))
	eventually(t, "a container is made", func() bool { return len(mine(t, c, name)) > 0 })
	n.Kill()
	made := mine(t, c, name)
	ran := mine(t, c, name, apicontainer.StateRunning)
	_, p = serve(t, args...)
	p.invoke("f", "see")
	eventually(t, "two run and there is no other", func() bool {
		return len(mine(t, c, name, apicontainer.StateRunning)) == 2 && len(mine(t, c, name)) == 2
	})
	t.Logf("at the kill %d of %d ran", len(ran), len(made))
	for _, id := range ran {
		if !slices.Contains(mine(t, c, name), id) {
			t.Errorf("%s ran, and was not taken over", id[:12])
		}
	}
}

// A function reaches the API of a server that listens on all addresses, and not its
// management address.
func TestManagementIsOutOfReachOfFunctions(t *testing.T) {
	c := containers.Client(t)
	name := containers.Name(t, c)
	image := containers.Image(t, c, "server/harness/containers/function")
	n, p := serve(t, "--provider", "container", "--container-name", name, "--addr", "0.0.0.0:0", "--mgmt-addr", "0.0.0.0:0", "--insecure")
	p.url = onLoopback(n.API)
	p.expect(201, "POST", "/v1/functions", fmt.Sprintf(spec, "f", image, 1))
	p.invoke("f", "see")
	network, err := c.NetworkInspect(context.Background(), "simplane-"+name, client.NetworkInspectOptions{})
	if err != nil || len(network.Network.IPAM.Config) == 0 {
		t.Fatalf("%+v, %v", network, err)
	}
	gateway := network.Network.IPAM.Config[0].Gateway.String()
	at := func(url string) string {
		_, port, _ := net.SplitHostPort(strings.TrimPrefix(url, "http://"))
		return net.JoinHostPort(gateway, port)
	}
	if got := fmt.Sprint(p.invoke("f", "dial "+at(n.API))); !strings.Contains(got, "HTTP/1") {
		t.Errorf("the API from a function: %s", got)
	}
	if got := fmt.Sprint(p.invoke("f", "dial "+at(n.Mgmt))); strings.Contains(got, "HTTP/1") {
		t.Errorf("management from a function: %s", got)
	}
	if code, _ := (plane{t, onLoopback(n.Mgmt)}).call("GET", "/actuator/health", ""); code != 200 {
		t.Errorf("management from this machine: %d", code)
	}
}

func onLoopback(url string) string {
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(url, "http://"))
	return "http://127.0.0.1:" + port
}

// Processes and containers in one server; a function moves from one to the other.
func TestTwoProviders(t *testing.T) {
	c := containers.Client(t)
	name := containers.Name(t, c)
	image := containers.Image(t, c, "server/harness/containers/function")
	_, p := serve(t, "--provider", "process,container", "--container-name", name, "--container-pull", "never")
	program := containers.Program(t, "server/harness/containers/function")
	process := fmt.Sprintf(`{"name":"f","commands":[%q],"scalingConfig":{"strategy":"NONE","minReplicas":1}}`, program)
	inContainer := fmt.Sprintf(`{"name":"f","provider":"container","image":%q,"scalingConfig":{"strategy":"NONE","minReplicas":1}}`, image)
	host, _ := os.Hostname()
	where := func() string { return fmt.Sprint(p.invoke("f", "see").(map[string]any)["host"]) }

	if v := p.expect(201, "POST", "/v1/functions", process); v["provider"] != nil {
		t.Errorf("%v", v)
	}
	if at := where(); at != host {
		t.Fatalf("it runs on %s", at)
	}
	p.expect(200, "PUT", "/v1/functions/f", inContainer)
	eventually(t, "it runs in a container", func() bool { return where() != host })
	eventually(t, "the move is over", func() bool { return p.expect(200, "GET", "/v1/functions/f", "")["rollout"] == nil })
	if v := p.expect(200, "GET", "/v1/functions/f", ""); v["provider"] != "container" || v["trouble"] != nil {
		t.Errorf("%v", v)
	}
	p.expect(200, "PUT", "/v1/functions/f", process)
	eventually(t, "it runs as a process", func() bool { return where() == host })
	eventually(t, "its container is gone", func() bool { return len(mine(t, c, name)) == 0 })

	health := p.expect(200, "GET", "/actuator/health", "")
	if got := fmt.Sprint(health); got != "map[components:map[container:map[status:UP] process:map[status:UP]] status:UP]" {
		t.Error(got)
	}
	v := p.expect(422, "POST", "/v1/functions", fmt.Sprintf(`{"name":"k","provider":"kubernetes","image":%q}`, image))
	if v["error"] != "NO_PROVIDER" || !strings.Contains(fmt.Sprint(v["message"]), "provider kubernetes is not switched on") {
		t.Errorf("%v", v)
	}
	if v := p.expect(400, "POST", "/v1/functions", `{"name":"k","provider":"nomad","image":"x"}`); !strings.Contains(fmt.Sprint(v["details"]), "provider: must be one of") {
		t.Errorf("%v", v)
	}
	if v := p.expect(422, "POST", "/v1/functions", `{"name":"k","provider":"container","image":"nobody/has:it"}`); v["error"] != "IMAGE_NOT_FOUND" {
		t.Errorf("%v", v)
	}
	p.expect(201, "POST", "/v1/functions", fmt.Sprintf(`{"name":"bad","provider":"container","image":%q,"env":{"FAIL":"no configuration"},"scalingConfig":{"strategy":"NONE","minReplicas":1}}`, image))
	eventually(t, "its trouble is told", func() bool {
		return strings.Contains(fmt.Sprint(p.expect(200, "GET", "/v1/functions/bad", "")["trouble"]), "no configuration")
	})
}

// simplane in a container of its own, built as `make image` does, with functions as
// containers beside it.
func TestSimplaneInAContainer(t *testing.T) {
	c := containers.Client(t)
	name := containers.Name(t, c)
	tag := "simplane-test/image:" + name
	script := filepath.Join("..", "..", "..", "docs", "deploy", "image.sh")
	build := exec.Command(script, containers.Program(t, "cmd/simplane"), tag)
	if containers.Podman(t, c) {
		build.Env = append(os.Environ(), "DOCKER=podman")
	}
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	containers.RemoveAtEnd(c, tag)
	image := containers.Image(t, c, "scenarios/functions/go/word-stats", "ENV HOST=0.0.0.0")

	path := containers.Socket(t, c)
	socket, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	self := containers.Run(t, c, name, &apicontainer.Config{
		Image: tag, Cmd: []string{"serve", "--provider", "container", "--container-name", name, "--container-pull", "never", "--rate-max-per-second", "0"},
		Env: []string{"SIMPLANE_INSECURE=true"},
	}, &apicontainer.HostConfig{
		Binds: []string{path + ":/var/run/docker.sock"}, GroupAdd: []string{fmt.Sprint(containers.Group(socket))},
		ReadonlyRootfs: true, CapDrop: []string{"ALL"}, SecurityOpt: []string{"no-new-privileges"},
	})
	p := plane{t, "http://" + self + ":8080"}
	eventually(t, "it is ready", func() bool {
		a, err := node.Call(web, "GET", p.url+"/actuator/health/readiness", nil)
		return err == nil && a.Status == 200
	})
	p.expect(201, "POST", "/v1/functions", fmt.Sprintf(spec, "words", image, 2))
	v := p.expect(200, "POST", "/v1/functions/words:invoke", `{"input":{"text":"a b a"}}`)
	if v["status"] != "success" {
		t.Fatalf("%v", v)
	}
	v = p.expect(202, "POST", "/v1/functions/words:enqueue", `{"input":{"text":"a b a"}}`)
	eventually(t, "the enqueued one is done", func() bool {
		return p.expect(200, "GET", "/v1/executions/"+fmt.Sprint(v["executionId"]), "")["status"] == "success"
	})
	eventually(t, "two functions' containers and simplane's own", func() bool { return len(mine(t, c, name)) == 3 })
	if !containers.Podman(t, c) { // its health checks are systemd's, if that runs
		eventually(t, "the engine finds it healthy", func() bool { return containers.Healthy(t, c, name+"-self") })
	}
	p.expect(204, "DELETE", "/v1/functions/words", "")
	eventually(t, "only simplane's own container is left", func() bool { return len(mine(t, c, name)) == 1 })
}
