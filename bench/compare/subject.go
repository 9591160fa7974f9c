package compare

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"simplane/bench/baseline"
	"simplane/bench/child"
	"simplane/bench/loadgen"
)

// Names of the subjects that run simplane itself.
const (
	SimplaneInvoke  = "simplane-invoke"  // LOCAL echo through :invoke
	SimplaneEnqueue = "simplane-enqueue" // LOCAL echo through :enqueue
	SimplanePool    = "simplane-pool"    // POOL function on an echo backend
	SimplaneRaw     = "simplane-raw"     // the same through raw calls
)

// SubjectNames lists what Launch can start by itself.
func SubjectNames() []string {
	return append([]string{SimplaneInvoke, SimplaneEnqueue, SimplanePool, SimplaneRaw}, baseline.Kinds()...)
}

// Subject is one side of a comparison.
type Subject struct {
	Name   string
	Target loadgen.Target
	// server is the process whose CPU time is the subject's; nil for a URL.
	server *child.Process
	// helpers are backends it needs.
	helpers []*child.Process
}

// Launcher starts subjects from this program's own executable.
type Launcher struct {
	Executable string
	// Server is the simplane binary that subjects of simplane run; empty
	// means Executable. Yardsticks and backends are always Executable's.
	Server string
	// BaselineArgs is the command line, after Executable, of a yardstick.
	BaselineArgs func(kind, backend string) []string
	// Defaults hold body, headers and expectations, the same for both sides.
	Defaults loadgen.Defaults
	// Backend is the host:port that proxies forward to; empty starts an echo.
	Backend string
}

// FromURL makes a subject of something that already runs.
func (l *Launcher) FromURL(rawURL string) *Subject {
	return &Subject{Name: rawURL, Target: loadgen.URLTarget(l.Defaults, rawURL)}
}

// FromProcess makes a subject of a server that the caller has started and ends.
func FromProcess(name string, t loadgen.Target, server *child.Process) *Subject {
	return &Subject{Name: name, Target: t, server: server}
}

// RunsSimplane reports whether the named subject is a simplane server rather
// than a yardstick.
func RunsSimplane(name string) bool {
	return name == SimplaneInvoke || name == SimplaneEnqueue || onBackend(name)
}

// onBackend reports whether the named simplane's function is a backend's.
func onBackend(name string) bool { return name == SimplanePool || name == SimplaneRaw }

// CheckName reports a name that Launch does not know.
func CheckName(name string) error {
	if slices.Contains(SubjectNames(), name) {
		return nil
	}
	return fmt.Errorf("subject %q is unknown: want %s", name, strings.Join(SubjectNames(), ", "))
}

// Launch starts the named subject and its helpers.
func (l *Launcher) Launch(ctx context.Context, name string) (s *Subject, err error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	s = &Subject{Name: name}
	defer func() {
		if err != nil {
			s.Stop()
		}
	}()
	backend := l.Backend
	if backend == "" && (onBackend(name) || name == baseline.FasthttpProxy) {
		p, err := child.Start(ctx, baseline.FasthttpEcho, 1, l.baseline(baseline.FasthttpEcho, "")...)
		if err != nil {
			return s, err
		}
		s.helpers = append(s.helpers, p)
		backend = p.Addrs[0]
	}
	if slices.Contains(baseline.Kinds(), name) {
		if s.server, err = child.Start(ctx, name, 1, l.baseline(name, backend)...); err != nil {
			return s, err
		}
		s.Target, err = l.echoTarget(name, s.server.Addrs[0])
		return s, err
	}
	binary := l.Executable
	if l.Server != "" {
		binary, s.Name = l.Server, fmt.Sprintf("%s of %s", name, l.Server)
	}
	s.server, err = child.Start(ctx, s.Name, 2, binary, "serve",
		"--addr", "127.0.0.1:0", "--mgmt-addr", "127.0.0.1:0", "--rate-max-per-second", "0")
	if err != nil {
		return s, err
	}
	return s, l.register(ctx, s, name, backend)
}

func (l *Launcher) baseline(kind, backend string) []string {
	return append([]string{l.Executable}, l.BaselineArgs(kind, backend)...)
}

// echoTarget sends a yardstick the same bytes a function would get.
func (l *Launcher) echoTarget(name, addr string) (loadgen.Target, error) {
	d := l.Defaults
	d.Server = "http://" + addr
	t, err := loadgen.FunctionTarget(d, "bench", "invoke")
	t.Name, t.ExpectBody = name, l.Defaults.ExpectBody
	return t, err
}

// register creates the function with room for any load the harness can hold
// in flight, so that the figures are the path's and not a limit's.
func (l *Launcher) register(ctx context.Context, s *Subject, name, backend string) error {
	api := "http://" + s.server.Addrs[0]
	spec := map[string]any{
		"name": "bench", "image": "bench", "executionMode": "LOCAL",
		"concurrency": loadgen.MaxConnections, "queueSize": 100_000, "timeoutMillis": 30_000,
	}
	if onBackend(name) {
		spec["executionMode"], spec["endpointUrl"] = "POOL", "http://"+backend+"/"
	}
	body, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, api+"/v1/functions", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%s: registering the function: %w", name, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		return fmt.Errorf("%s: registering the function: status %d: %s", name, resp.StatusCode, text)
	}
	d, mode := l.Defaults, "invoke"
	if d.Server = api; name == SimplaneEnqueue {
		mode = "enqueue"
	}
	s.Target, err = loadgen.FunctionTarget(d, "bench", mode)
	s.Target.Name = name
	if name == SimplaneRaw {
		s.Target.URL, s.Target.ExpectBody = api+"/function/bench", l.Defaults.ExpectBody
	}
	return err
}

// Stop ends and reaps everything Launch started.
func (s *Subject) Stop() {
	if s.server != nil {
		s.server.Stop()
	}
	for _, p := range s.helpers {
		p.Stop()
	}
}

// cpu is the CPU time the subject's server has used; 0 when it is not ours.
func (s *Subject) cpu() time.Duration {
	if s.server == nil {
		return 0
	}
	return s.server.CPU()
}

// helperCPU is the CPU time its backends have used.
func (s *Subject) helperCPU() (sum time.Duration) {
	for _, p := range s.helpers {
		sum += p.CPU()
	}
	return sum
}
