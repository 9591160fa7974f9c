// Package function speaks the function protocol for the Go examples. One
// program serves every runtime mode: the environment says which one is meant.
package function

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

// Handler turns an input into an output, both as JSON values.
type Handler func(input json.RawMessage) (any, error)

// Error is a handler's error with a code of its own.
type Error struct{ Code, Message string }

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Serve runs h until there is nothing more to do, and exits the program.
func Serve(h Handler) {
	var err error
	switch {
	case os.Getenv("INPUT_FILE") != "":
		err = serveFile(h, os.Getenv("INPUT_FILE"), os.Getenv("OUTPUT_FILE"))
	case os.Getenv("PORT") != "":
		err = serveHTTP(h, net.JoinHostPort(host(), os.Getenv("PORT")))
	default:
		err = serveLines(h, os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// host is the address to listen on: as a process on simplane's machine only that
// machine is to reach the function, in a container it has to be HOST=0.0.0.0.
func host() string {
	if h := os.Getenv("HOST"); h != "" {
		return h
	}
	return "127.0.0.1"
}

func serveFile(h Handler, input, output string) error {
	data, err := os.ReadFile(input)
	if err != nil {
		return err
	}
	out, err := h(data)
	if err != nil {
		return err
	}
	if data, err = json.Marshal(out); err != nil {
		return err
	}
	return os.WriteFile(output, data, 0o644)
}

func serveHTTP(h Handler, addr string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /{$}", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Input json.RawMessage `json:"input"`
		}
		err := json.NewDecoder(r.Body).Decode(&body)
		var out any
		if err == nil {
			out, err = h(body.Input)
		}
		if e := (*Error)(nil); errors.As(err, &e) {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(out)
	})
	return http.ListenAndServe(addr, onlySimplane(mux, os.Getenv("SIMPLANE_INSTANCE_TOKEN")))
}

// onlySimplane refuses requests without the token that simplane has given this
// instance; without one, as in a pod, all are served.
func onlySimplane(next http.Handler, token string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token != "" && r.Header.Get("X-Simplane-Instance-Token") != token {
			http.Error(w, "only simplane calls this function", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

type answer struct {
	ExecutionID string   `json:"executionId"` // lets simplane match the answer
	Output      any      `json:"output,omitempty"`
	Error       *failure `json:"error,omitempty"`
}

type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func serveLines(h Handler, in io.Reader, out io.Writer) error {
	lines, answers := bufio.NewReader(in), json.NewEncoder(out)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var req struct {
			ExecutionID string          `json:"executionId"`
			Input       json.RawMessage `json:"input"`
		}
		if err := json.Unmarshal(line, &req); err != nil {
			return err
		}
		a := answer{ExecutionID: req.ExecutionID}
		if a.Output, err = h(req.Input); err != nil {
			a.Output, a.Error = nil, &failure{"BAD_INPUT", err.Error()}
			if e := (*Error)(nil); errors.As(err, &e) {
				a.Error = &failure{e.Code, e.Message}
			}
		}
		if err := answers.Encode(a); err != nil {
			return err
		}
	}
}
