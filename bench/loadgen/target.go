package loadgen

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
)

// Header is one request header.
type Header struct{ Name, Value string }

// Target is one kind of request in the mix.
type Target struct {
	Name   string
	Weight int // share of the mix, 1..1e6
	Method string
	URL    string // http or https
	// Paths are the URLs to ask for in place of URL; nil means URL alone.
	Paths   *Paths
	Headers []Header
	Body    []byte // shared by all requests, never written to
	// ExpectStatus lists the statuses that count as success; empty means any
	// 2xx.
	ExpectStatus []int
	// ExpectBody must occur in the response body; empty accepts any.
	ExpectBody string
}

// Bounds of one target.
const (
	MaxTargets   = 32
	MaxBodyBytes = 64 << 20
	maxWeight    = 1_000_000
)

// Defaults are inherited by --target entries unless they set their own.
type Defaults struct {
	Server  string // base URL of a simplane server
	Method  string
	Headers []Header
	// Body is the request body, or for a function its input; nil means none
	// was given.
	Body         []byte
	ExpectStatus []int
	ExpectBody   string
	// Template says that the body has placeholders yet: it need not be JSON.
	Template bool
}

// FunctionTarget aims at a function of a simplane server: mode is "invoke" or
// "enqueue". The body becomes the invocation's input and must be JSON; without
// one a small object is sent. Unless the defaults expect something else, an
// invocation counts as success only when its status says so.
func FunctionTarget(d Defaults, name, mode string) (Target, error) {
	base, err := url.Parse(d.Server)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return Target{}, fmt.Errorf("server %q is not an http URL such as http://127.0.0.1:8080", d.Server)
	}
	if name == "" {
		return Target{}, fmt.Errorf("the function has no name")
	}
	if mode == "" {
		mode = "invoke"
	}
	if mode != "invoke" && mode != "enqueue" {
		return Target{}, fmt.Errorf("mode %q is unknown: want invoke or enqueue", mode)
	}
	input := d.Body
	if input == nil {
		input = []byte(`{"message":"hello"}`)
	}
	if !d.Template && !json.Valid(input) {
		return Target{}, fmt.Errorf("the body of function %q is not JSON: it is sent as the invocation's input", name)
	}
	if mode == "invoke" && d.ExpectBody == "" && len(d.ExpectStatus) == 0 {
		// An invocation that failed or timed out is a 200 as well.
		d.ExpectBody = `"status":"success"`
	}
	body := append(append([]byte(`{"input":`), input...), '}')
	return Target{
		Name: name + ":" + mode, Weight: 1, Method: "POST",
		URL:     strings.TrimRight(d.Server, "/") + "/v1/functions/" + url.PathEscape(name) + ":" + mode,
		Headers: append([]Header{{"Content-Type", "application/json"}}, d.Headers...),
		Body:    body, ExpectStatus: d.ExpectStatus, ExpectBody: d.ExpectBody,
	}, nil
}

// URLTarget aims at any URL. Without a method it is GET, or POST when there is
// a body.
func URLTarget(d Defaults, rawURL string) Target {
	method := d.Method
	if method == "" {
		method = "GET"
		if d.Body != nil {
			method = "POST"
		}
	}
	return Target{
		Name: rawURL, Weight: 1, Method: method, URL: rawURL, Headers: d.Headers,
		Body: d.Body, ExpectStatus: d.ExpectStatus, ExpectBody: d.ExpectBody,
	}
}

// ParseTarget reads one mix entry of comma-separated key=value pairs, quoted
// as in CSV where a value holds a comma. Keys: weight, name, mode (a function
// of d.Server), url, functions, spread (of a name or a url with a placeholder),
// paths-file, method, body, body-file, expect-status, expect-body.
func ParseTarget(text string, d Defaults) (Target, error) {
	r := csv.NewReader(strings.NewReader(text))
	fields, err := r.Read()
	if err != nil {
		return Target{}, fmt.Errorf("target %q: %w", text, err)
	}
	weight, name, mode, rawURL, paths, functions, spread := 1, "", "", "", "", 0, ""
	for _, f := range fields {
		key, value, ok := strings.Cut(f, "=")
		if !ok {
			return Target{}, fmt.Errorf("target %q: %q is not key=value", text, f)
		}
		switch strings.TrimSpace(key) {
		case "weight":
			if weight, err = strconv.Atoi(value); err != nil {
				return Target{}, fmt.Errorf("target %q: weight %q is not a whole number", text, value)
			}
		case "name":
			name = value
		case "mode":
			mode = value
		case "url":
			rawURL = value
		case "functions":
			if functions, err = strconv.Atoi(value); err != nil || functions < 1 {
				return Target{}, fmt.Errorf("target %q: functions %q is not a number above 0", text, value)
			}
		case "spread":
			spread = value
		case "paths-file":
			paths = value
		case "method":
			d.Method = value
		case "body":
			d.Body = []byte(value)
		case "body-file":
			if d.Body, err = ReadBody(value); err != nil {
				return Target{}, fmt.Errorf("target %q: %w", text, err)
			}
		case "expect-status":
			if d.ExpectStatus, err = ParseStatuses(strings.ReplaceAll(value, "|", ",")); err != nil {
				return Target{}, fmt.Errorf("target %q: %w", text, err)
			}
		case "expect-body":
			d.ExpectBody = value
		default:
			return Target{}, fmt.Errorf("target %q: unknown key %q", text, key)
		}
	}
	var t Target
	switch {
	case rawURL != "" && mode != "":
		return Target{}, fmt.Errorf("target %q: url and mode exclude each other", text)
	case paths != "" && (rawURL != "" || mode != "" || functions > 0):
		return Target{}, fmt.Errorf("target %q: paths-file excludes url, mode and functions", text)
	case paths != "":
		if t, err = PathsTarget(d, paths); err != nil {
			return Target{}, fmt.Errorf("target %q: %w", text, err)
		}
		if name != "" {
			t.Name = name
		}
	case rawURL != "":
		if t = URLTarget(d, rawURL); name != "" {
			t.Name = name
		}
	case name != "":
		if t, err = FunctionTarget(d, name, mode); err != nil {
			return Target{}, fmt.Errorf("target %q: %w", text, err)
		}
	default:
		return Target{}, fmt.Errorf("target %q needs url= or name=", text)
	}
	if functions > 0 || spread != "" {
		if t, err = t.Spread(functions, spread); err != nil {
			return Target{}, fmt.Errorf("target %q: %w", text, err)
		}
	}
	t.Weight = weight
	return t, nil
}

// ReadBody reads a request body of at most MaxBodyBytes from a file.
func ReadBody(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("body file: %w", err)
	}
	if st.Size() > MaxBodyBytes {
		return nil, fmt.Errorf("body file %s has %d bytes, the limit is %d", path, st.Size(), MaxBodyBytes)
	}
	return os.ReadFile(path)
}

// ParseHeader reads "Name: value".
func ParseHeader(text string) (Header, error) {
	name, value, ok := strings.Cut(text, ":")
	if name = strings.TrimSpace(name); !ok || name == "" || strings.ContainsAny(text, "\r\n") {
		return Header{}, fmt.Errorf("header %q is not 'Name: value'", text)
	}
	return Header{name, strings.TrimSpace(value)}, nil
}

// ParseStatuses reads a comma-separated list of HTTP statuses.
func ParseStatuses(text string) ([]int, error) {
	var out []int
	for _, part := range strings.Split(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || n < 100 || n > 599 {
			return nil, fmt.Errorf("status %q is not an HTTP status (100 to 599)", part)
		}
		out = append(out, n)
	}
	return out, nil
}

// validate checks what Run relies on.
func (t Target) validate() error {
	u, err := url.Parse(t.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("url %q is not an http or https URL", t.URL)
	}
	if t.Weight < 1 || t.Weight > maxWeight {
		return fmt.Errorf("weight %d of %q is out of range: want 1 to %d", t.Weight, t.Name, maxWeight)
	}
	if len(t.Body) > MaxBodyBytes {
		return fmt.Errorf("the body of %q has %d bytes, the limit is %d", t.Name, len(t.Body), MaxBodyBytes)
	}
	if t.Method == "" || strings.ContainsAny(t.Method, " \r\n\t") {
		return fmt.Errorf("method %q is not an HTTP method", t.Method)
	}
	return nil
}
