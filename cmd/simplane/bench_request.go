package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"simplane/bench/loadgen"
)

// requestFlags say what one request looks like; http and compare share them.
type requestFlags struct {
	method, body, bodyFile string
	payloadSize            int
	headers                []string
	expectStatus           string
	expectBody             string
	timeout                time.Duration
	maxErrorRate           float64
	seed                   uint64
}

func (f *requestFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.method, "method", "", "HTTP method (default GET, or POST with a body)")
	fs.StringVar(&f.body, "body", "", "request body; for a function its input as JSON")
	fs.StringVar(&f.bodyFile, "body-file", "", "read the body from a file")
	fs.IntVar(&f.payloadSize, "payload-size", 0, "send a generated body of this many bytes; for a function a JSON string of that length")
	fs.StringArrayVarP(&f.headers, "header", "H", nil, "request header 'Name: value' (repeatable)")
	fs.StringVar(&f.expectStatus, "expect-status", "", "statuses that count as success, such as 200,202 (default any 2xx)")
	fs.StringVar(&f.expectBody, "expect-body", "", "text every response body must contain")
	fs.DurationVar(&f.timeout, "timeout", 10*time.Second, "per request, at most 2m")
	fs.Float64Var(&f.maxErrorRate, "max-error-rate", 0, "share of requests (0 to 1) that may fail or stay unsent before the run does")
	fs.Uint64Var(&f.seed, "seed", 1, "of the Poisson schedule, the mix and pooled keys")
}

// defaults reads the flags; asJSON makes a generated payload a JSON string.
func (f *requestFlags) defaults(fs *pflag.FlagSet, asJSON bool) (loadgen.Defaults, error) {
	d := loadgen.Defaults{Method: f.method, ExpectBody: f.expectBody}
	given := 0
	for _, name := range []string{"body", "body-file", "payload-size"} {
		if fs.Changed(name) {
			given++
		}
	}
	var err error
	switch {
	case given > 1:
		return d, errors.New("--body, --body-file and --payload-size exclude each other")
	case fs.Changed("body"):
		d.Body = []byte(f.body)
	case fs.Changed("body-file"):
		if d.Body, err = loadgen.ReadBody(f.bodyFile); err != nil {
			return d, err
		}
	case fs.Changed("payload-size"):
		if f.payloadSize < 1 || f.payloadSize > loadgen.MaxBodyBytes {
			return d, fmt.Errorf("payload size %d is out of range: want 1 to %d", f.payloadSize, loadgen.MaxBodyBytes)
		}
		text := strings.Repeat("x", f.payloadSize)
		if asJSON {
			text = `"` + text + `"`
		}
		d.Body = []byte(text)
	}
	for _, text := range f.headers {
		h, err := loadgen.ParseHeader(text)
		if err != nil {
			return d, err
		}
		d.Headers = append(d.Headers, h)
	}
	if f.expectStatus != "" {
		if d.ExpectStatus, err = loadgen.ParseStatuses(f.expectStatus); err != nil {
			return d, err
		}
	}
	if !(f.maxErrorRate >= 0 && f.maxErrorRate <= 1) || math.IsNaN(f.maxErrorRate) {
		return d, fmt.Errorf("max error rate %v is out of range: want 0 to 1", f.maxErrorRate)
	}
	return d, nil
}

// parseIdempotency reads none, fresh or a number of keys.
func parseIdempotency(text string) (int, error) {
	switch text {
	case "none":
		return 0, nil
	case "fresh":
		return -1, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("idempotency %q is unknown: want none, fresh or a number of keys", text)
	}
	return n, nil
}
