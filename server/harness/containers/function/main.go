// Command function is what the tests of the container provider run: it answers
// with what it sees of its container, and misbehaves when it is told to.
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "--deaf" {
		signal.Ignore(syscall.SIGTERM)
	}
	fmt.Fprintln(os.Stderr, "begins as", os.Args)
	if why := os.Getenv("FAIL"); why != "" {
		fmt.Fprintln(os.Stderr, why)
		os.Exit(3)
	}
	if os.Getenv("SILENT") != "" {
		time.Sleep(time.Hour)
	}
	var busy atomic.Int64
	http.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	http.HandleFunc("POST /{$}", func(w http.ResponseWriter, r *http.Request) {
		busy.Add(1)
		defer busy.Add(-1)
		var call struct{ Input string }
		if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		what, operand, _ := strings.Cut(call.Input, " ")
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer(what, operand, r))
	})
	ends := make(chan os.Signal, 1)
	if len(os.Args) < 2 {
		signal.Notify(ends, syscall.SIGTERM)
	}
	go func() {
		<-ends
		fmt.Fprintln(os.Stderr, "ends with", busy.Load(), "calls")
		os.Exit(0)
	}()
	fmt.Fprintln(os.Stderr, http.ListenAndServe(":"+os.Getenv("PORT"), nil))
}

var kept [][]byte // by calls that are made one at a time

func answer(what, operand string, r *http.Request) any {
	switch what {
	case "exit":
		fmt.Fprintln(os.Stderr, "about to die")
		os.Exit(7)
	case "eat": // memory, to the limit
		var all [][]byte
		for {
			b := make([]byte, 1<<20)
			for i := range b {
				b[i] = 1
			}
			all = append(all, b)
			_ = all
		}
	case "burn": // a core
		d, _ := time.ParseDuration(operand)
		for end := time.Now().Add(d); time.Now().Before(end); {
		}
	case "keep": // memory, in MiB
		n, _ := strconv.Atoi(operand)
		b := make([]byte, n<<20)
		for i := range b {
			b[i] = 1
		}
		kept = append(kept, b)
	case "sleep":
		d, _ := time.ParseDuration(operand)
		time.Sleep(d)
	case "say":
		fmt.Println(operand)
	case "write":
		return fmt.Sprint(os.WriteFile(operand, []byte("x"), 0o600))
	case "dial":
		c, err := net.DialTimeout("tcp", operand, 2*time.Second)
		if err != nil {
			return "no connection: " + err.Error()
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(2 * time.Second))
		fmt.Fprintf(c, "GET /actuator/health HTTP/1.0\r\n\r\n")
		b := make([]byte, 64)
		n, err := c.Read(b)
		return fmt.Sprintf("read %q %v", b[:n], err)
	case "token":
		return os.Getenv("SIMPLANE_INSTANCE_TOKEN") != "" && os.Getenv("SIMPLANE_INSTANCE_TOKEN") == r.Header.Get("X-Simplane-Instance-Token")
	case "read":
		b, err := os.ReadFile(operand)
		if err != nil {
			return err.Error()
		}
		return string(b)
	}
	host, _ := os.Hostname()
	return map[string]any{"host": host, "version": os.Getenv("VERSION"), "uid": os.Getuid(), "args": os.Args, "pid": os.Getpid()}
}
