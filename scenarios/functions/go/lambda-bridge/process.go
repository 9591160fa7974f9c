package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"time"

	"simplane/scenarios/functions/go/function"
)

// process is one of the handler, with the Runtime API that it alone is told of.
type process struct {
	server *http.Server
	events chan *invocation // taken by a request for the next one
	ended  chan struct{}    // closed when the process has ended
	used   bool             // it has taken an event

	mu      sync.Mutex
	current *invocation
	failure *function.Error // of its start
	status  string          // how it ended
}

// invocation is an event on its way.
type invocation struct {
	id       string
	event    json.RawMessage
	deadline time.Time
	done     chan outcome // holds one
}

type outcome struct {
	output json.RawMessage
	err    error
}

// errNotTaken says that a process ended before it asked for the event.
var errNotTaken = errors.New("the handler's process ended while it was idle")

func start(command []string) (*process, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &process{events: make(chan *invocation), ended: make(chan struct{})}
	p.server = &http.Server{Handler: p.api(), ReadHeaderTimeout: time.Minute}
	name := functionName()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr // stdout may be the protocol's
	cmd.Env = append(os.Environ(),
		"AWS_LAMBDA_RUNTIME_API="+ln.Addr().String(),
		"AWS_LAMBDA_FUNCTION_NAME="+name, "AWS_LAMBDA_FUNCTION_VERSION=$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128",
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/"+name, "AWS_LAMBDA_LOG_STREAM_NAME=simplane",
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand", "AWS_REGION="+region(), "AWS_DEFAULT_REGION="+region(),
		"_HANDLER="+handlerName(command), "LAMBDA_TASK_ROOT="+workingDirectory(), "LAMBDA_RUNTIME_DIR="+workingDirectory(), "TZ=:UTC",
	)
	if err := cmd.Start(); err != nil {
		_ = ln.Close()
		return nil, err
	}
	go func() { _ = p.server.Serve(ln) }()
	go func() {
		_ = cmd.Wait()
		p.mu.Lock()
		p.status = cmd.ProcessState.String()
		p.mu.Unlock()
		close(p.ended)
		_ = p.server.Close()
	}()
	return p, nil
}

func functionName() string {
	if name := os.Getenv("AWS_LAMBDA_FUNCTION_NAME"); name != "" {
		return name
	}
	return "function"
}

func region() string {
	if r := os.Getenv("AWS_REGION"); r != "" {
		return r
	}
	return "us-east-1"
}

// handlerName is what an interpreter's runtime client looks up; programs ignore it.
func handlerName(command []string) string {
	if h := os.Getenv("_HANDLER"); h != "" {
		return h
	}
	return command[len(command)-1]
}

func workingDirectory() string {
	dir, err := os.Getwd()
	if err != nil {
		return "."
	}
	return dir
}

func (p *process) gone() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// invoke has the process handle an event.
func (p *process) invoke(event json.RawMessage, deadline time.Time) (any, error) {
	inv := &invocation{id: newID(), event: event, deadline: deadline, done: make(chan outcome, 1)}
	p.mu.Lock()
	used := p.used
	p.mu.Unlock()
	select {
	case p.events <- inv:
	case <-p.ended:
		if used {
			return nil, errNotTaken
		}
		return nil, p.startFailure()
	}
	select {
	case o := <-inv.done:
		return o.output, o.err
	case <-p.ended:
	}
	select {
	case o := <-inv.done: // it answered, and then ended
		return o.output, o.err
	default:
		p.mu.Lock()
		defer p.mu.Unlock()
		return nil, &function.Error{Code: "Runtime.ExitError", Message: "the handler's process ended with the event in work: " + p.status}
	}
}

func (p *process) startFailure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failure != nil {
		return p.failure
	}
	return &function.Error{Code: "Runtime.ExitError", Message: "the handler's process ended before it asked for an event: " + p.status}
}

// newID is a random UUID, which is what runtime clients expect of a request's id.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
