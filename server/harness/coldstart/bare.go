package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/server/harness/node"
	"simplane/server/internal/fncall"
	"simplane/server/provider"
)

// bare starts the function, waits until it is ready and invokes it once. What
// it takes is the operating system's part, the function's own, and that of a
// client of its protocol.
func bare(s subject, dir string) (time.Duration, error) {
	began := time.Now()
	invoke := bareLines
	cmd := exec.Command(s.command[0], s.command[1:]...)
	cmd.Dir = dir
	// What the provider lets through, so that both find the same.
	for _, name := range []string{"PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ"} {
		if v, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	// The kernel's signal comes when the thread ends that starts the function: it stays.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if s.mode == provider.HTTP {
		invoke = bareHTTP
		port, err := freePort()
		if err != nil {
			return 0, err
		}
		cmd.Env = append(cmd.Env, "PORT="+strconv.Itoa(port))
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return 0, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	got, err := invoke(cmd, stdin, stdout)
	took := time.Since(began)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if err == nil && compact([]byte(got)) != output {
		err = fmt.Errorf("answered %q", got)
	}
	if err != nil {
		return 0, fmt.Errorf("bare: %w", err)
	}
	return took, nil
}

// bareLines sends the line of a STDIO function and reads its answer. The
// protocol has no other sign of readiness.
func bareLines(_ *exec.Cmd, stdin io.Writer, stdout io.Reader) (string, error) {
	if _, err := stdin.Write(fncall.AppendLine(nil, provider.Invocation{ExecutionID: "e", Input: input})); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	line = strings.TrimSuffix(strings.TrimSpace(line), "}")
	_, answer, _ := strings.Cut(line, `"output":`)
	return answer, err
}

// bareHTTP asks GET /health as soon as somebody listens, and then invokes.
func bareHTTP(cmd *exec.Cmd, _ io.Writer, _ io.Reader) (string, error) {
	port := ""
	for _, kv := range cmd.Env {
		if v, ok := strings.CutPrefix(kv, "PORT="); ok {
			port = v
		}
	}
	addr := "127.0.0.1:" + port
	client := &fasthttp.HostClient{Addr: addr, Dial: dialSoon}
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.SetRequestURI("http://" + addr + "/health")
	req.SetConnectionClose()
	if err := client.Do(req, resp); err != nil {
		return "", err
	}
	if code := resp.StatusCode(); code/100 != 2 {
		return "", fmt.Errorf("GET /health answered with %d", code)
	}
	instance := provider.NewHTTPInstance(addr, provider.HTTPOptions{})
	defer instance.Close()
	r, err := instance.Do(provider.Invocation{ExecutionID: "e", Input: input, Deadline: time.Now().Add(startWithin)})
	return string(r.Output), err
}

const (
	startWithin = 30 * time.Second
	// knock is the pause between attempts to connect; shorter ones take the
	// processor away from what is being started.
	knock = 50 * time.Microsecond
)

func dialSoon(addr string) (net.Conn, error) {
	for deadline := time.Now().Add(startWithin); ; time.Sleep(knock) {
		c, err := net.Dial("tcp4", addr)
		if err == nil || time.Now().After(deadline) {
			return c, err
		}
	}
}

func freePort() (int, error) {
	addrs, err := node.FreeAddresses("127.0.0.1", 1)
	if err != nil {
		return 0, err
	}
	_, port, _ := net.SplitHostPort(addrs[0])
	return strconv.Atoi(port)
}
