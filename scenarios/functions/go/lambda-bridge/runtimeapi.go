package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"

	"simplane/scenarios/functions/go/function"
)

// maxPayload bounds responses and errors, in bytes, as Lambda does.
const maxPayload = 6 << 20

const apiPrefix = "/2018-06-01/runtime/"

// api is the Runtime API (docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html).
func (p *process) api() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+apiPrefix+"invocation/next", p.next)
	mux.HandleFunc("POST "+apiPrefix+"invocation/{id}/response", p.response)
	mux.HandleFunc("POST "+apiPrefix+"invocation/{id}/error", p.error)
	mux.HandleFunc("POST "+apiPrefix+"init/error", p.initError)
	return mux
}

// next waits for an event.
func (p *process) next(w http.ResponseWriter, r *http.Request) {
	var inv *invocation
	select {
	case inv = <-p.events:
	case <-r.Context().Done():
		return
	}
	p.mu.Lock()
	p.current, p.used = inv, true
	p.mu.Unlock()
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.deadline.UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:"+region()+":000000000000:function:"+functionName())
	_, _ = w.Write(inv.event)
}

func (p *process) response(w http.ResponseWriter, r *http.Request) {
	p.answer(w, r, func(body []byte) outcome {
		// A streamed response says in its trailer that it has failed amid.
		if kind := r.Trailer.Get("Lambda-Runtime-Function-Error-Type"); kind != "" {
			return outcome{err: &function.Error{Code: kind, Message: "the handler failed amid its response"}}
		}
		if json.Valid(body) {
			return outcome{output: body}
		}
		text, err := json.Marshal(strings.ToValidUTF8(string(body), "\uFFFD"))
		return outcome{text, err}
	})
}

func (p *process) error(w http.ResponseWriter, r *http.Request) {
	p.answer(w, r, func(body []byte) outcome { return outcome{err: failureOf(r, body)} })
}

// answer ends the current invocation, if it is the one that the path names.
func (p *process) answer(w http.ResponseWriter, r *http.Request, read func([]byte) outcome) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPayload))
	p.mu.Lock()
	inv := p.current
	if inv != nil && inv.id == r.PathValue("id") {
		p.current = nil
	} else {
		inv = nil
	}
	p.mu.Unlock()
	switch {
	case inv == nil:
		reply(w, http.StatusBadRequest, map[string]string{"errorType": "InvalidRequestID", "errorMessage": "no event with this id is in work"})
	case err != nil:
		inv.done <- outcome{err: &function.Error{Code: "Function.ResponseSizeTooLarge", Message: "the response has more than " + strconv.Itoa(maxPayload) + " bytes, or did not come whole"}}
		reply(w, http.StatusRequestEntityTooLarge, map[string]string{"errorType": "RequestEntityTooLarge", "errorMessage": err.Error()})
	default:
		inv.done <- read(body)
		reply(w, http.StatusAccepted, map[string]string{"status": "OK"})
	}
}

func (p *process) initError(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPayload))
	p.mu.Lock()
	p.failure = failureOf(r, body)
	p.mu.Unlock()
	reply(w, http.StatusAccepted, map[string]string{"status": "OK"})
}

// failureOf is the error that a runtime client reports.
func failureOf(r *http.Request, body []byte) *function.Error {
	var said struct {
		Message string `json:"errorMessage"`
		Type    string `json:"errorType"`
	}
	if json.Unmarshal(body, &said) != nil || said.Message == "" {
		said.Message = strings.ToValidUTF8(string(body[:min(len(body), 1<<10)]), "\uFFFD")
	}
	if said.Type == "" {
		said.Type = r.Header.Get("Lambda-Runtime-Function-Error-Type")
	}
	if said.Type == "" {
		said.Type = "Runtime.Unknown"
	}
	return &function.Error{Code: said.Type, Message: said.Message}
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
