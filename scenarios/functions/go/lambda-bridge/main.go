// Command lambda-bridge runs handlers that were made for AWS Lambda, unmodified:
//
//	lambda-bridge COMMAND [ARGUMENT…]
//
// COMMAND is what a Lambda function's bootstrap would start: a program with one of
// AWS's runtime clients. The bridge is the Runtime API for it, on the loopback
// interface, and a function to simplane, in every runtime mode. An input is the
// event, a response the output; an error has the handler's error type as its code.
//
// A process of the handler has one event at a time, as with Lambda. With STDIO
// simplane starts a bridge, and so a process, for each call that overlaps with
// others; with HTTP the bridge itself does, up to BRIDGE_PROCESSES (4).
// BRIDGE_TIMEOUT_MS (30000) is what the handler is told of its deadline; simplane's
// own timeout is the one that holds.
//
// Whoever can reach the loopback interface can reach the Runtime API: it has no
// tokens.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"

	"simplane/scenarios/functions/go/function"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: lambda-bridge COMMAND [ARGUMENT…]")
		os.Exit(2)
	}
	b := &bridge{
		command: os.Args[1:],
		timeout: time.Duration(number("BRIDGE_TIMEOUT_MS", 30_000)) * time.Millisecond,
		idle:    make(chan *process, 1<<10),
		room:    make(chan struct{}, number("BRIDGE_PROCESSES", 4)),
	}
	function.Serve(b.handle)
}

// number is the value of a variable; def without one.
func number(name string, def int) int {
	text := os.Getenv(name)
	if text == "" {
		return def
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1<<10 && name == "BRIDGE_PROCESSES" {
		fmt.Fprintf(os.Stderr, "%s: must be a whole number from 1, not %q\n", name, text)
		os.Exit(2)
	}
	return n
}

// bridge has the processes of a handler.
type bridge struct {
	command []string
	timeout time.Duration
	idle    chan *process
	room    chan struct{} // an element for each process
}

// handle gives an event to a process that has none, starting one if there may be
// another.
func (b *bridge) handle(event json.RawMessage) (any, error) {
	for {
		p, err := b.take()
		if err != nil {
			return nil, err
		}
		output, err := p.invoke(event, time.Now().Add(b.timeout))
		if p.gone() {
			<-b.room
			if err == errNotTaken {
				continue // it had ended while it was idle
			}
		} else {
			b.idle <- p
		}
		return output, err
	}
}

func (b *bridge) take() (*process, error) {
	select {
	case p := <-b.idle:
		return p, nil
	default:
	}
	select {
	case p := <-b.idle:
		return p, nil
	case b.room <- struct{}{}:
	}
	p, err := start(b.command)
	if err != nil {
		<-b.room
		return nil, &function.Error{Code: "Runtime.InvalidEntrypoint", Message: err.Error()}
	}
	return p, nil
}
