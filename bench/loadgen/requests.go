package loadgen

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"simplane/bench/weighted"
)

// Request is one request of a list. It is not changed once a run has it.
type Request struct {
	Method  string
	URL     string // http or https
	Headers []Header
	Body    []byte

	weight float64
	host   string // scheme and host, by which its client is found
}

// MaxListedBytes bounds the bodies of a list of requests together.
const MaxListedBytes = 256 << 20

// RequestsTarget aims at the requests that r lists, one drawn at random for each
// shot in proportion to their weights. Two forms are read, and told apart by the
// first character:
//
// JSON lines, one object a line: "url" or "function" (of d.Server, with "mode"
// invoke or enqueue and "input"), "method", "header" (an object of strings or
// lists of strings), a body as "body" (base64, as vegeta writes it), "json" (any
// value) or "text", and "weight" (above 0, 1 by default).
//
// vegeta's text: a line "METHOD URL", then lines "Name: value", then perhaps
// "@FILE", which names the body; blank lines between requests, # before remarks.
// Files are relative to dir.
func RequestsTarget(d Defaults, name string, r io.Reader, dir string) (Target, error) {
	in := bufio.NewReader(r)
	var list []Request
	var err error
	if first, _ := firstByte(in); first == '{' {
		list, err = readJSONRequests(in, d)
	} else {
		list, err = readTextRequests(in, d, dir)
	}
	if err == nil && len(list) == 0 {
		err = errors.New("it lists no request")
	}
	if err != nil {
		return Target{}, fmt.Errorf("%s: %w", name, err)
	}
	return listed(d, name, list)
}

// listed makes a target of requests.
func listed(d Defaults, name string, list []Request) (Target, error) {
	weights, size := make([]float64, len(list)), 0
	p := &Paths{URLs: make([]string, len(list)), Requests: list}
	for i := range list {
		r := &list[i]
		u, err := url.Parse(r.URL)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return Target{}, fmt.Errorf("%s: request %d: %q is not an http or https URL", name, i+1, r.URL)
		}
		if r.Method == "" || strings.ContainsAny(r.Method, " \r\n\t") {
			return Target{}, fmt.Errorf("%s: request %d: %q is not an HTTP method", name, i+1, r.Method)
		}
		r.host, weights[i], p.URLs[i] = u.Scheme+"://"+u.Host, r.weight, r.URL
		if size += len(r.Body); size > MaxListedBytes {
			return Target{}, fmt.Errorf("%s: the bodies of the requests up to %d have more than %d MiB", name, i+1, MaxListedBytes>>20)
		}
	}
	var err error
	if p.choice, err = weighted.New(weights); err != nil {
		return Target{}, fmt.Errorf("%s: %w", name, err)
	}
	return Target{Name: name, Weight: 1, Method: list[0].Method, URL: list[0].URL, Paths: p, ExpectStatus: d.ExpectStatus, ExpectBody: d.ExpectBody}, nil
}

// firstByte is the first one that is no blank; it is not taken away.
func firstByte(in *bufio.Reader) (byte, error) {
	for {
		b, err := in.ReadByte()
		if err != nil {
			return 0, err
		}
		if !bytes.ContainsRune([]byte(" \t\r\n"), rune(b)) {
			return b, in.UnreadByte()
		}
	}
}

// listedRequest is one line of JSON.
type listedRequest struct {
	Method, URL    string
	Function, Mode string
	Header         map[string]json.RawMessage
	Body           []byte // base64
	JSON, Input    json.RawMessage
	Text           *string
	Weight         *float64
}

func readJSONRequests(in io.Reader, d Defaults) (list []Request, err error) {
	dec := json.NewDecoder(in)
	dec.DisallowUnknownFields()
	for n := 1; ; n++ {
		var l listedRequest
		err := dec.Decode(&l)
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		var r Request
		if err == nil {
			r, err = l.request(d)
		}
		if err == nil && len(list) == MaxPaths {
			err = fmt.Errorf("want at most %d", MaxPaths)
		}
		if err != nil {
			return nil, fmt.Errorf("request %d: %w", n, err)
		}
		list = append(list, r)
	}
}

func (l listedRequest) request(d Defaults) (Request, error) {
	bodies := 0
	for _, given := range []bool{l.Body != nil, l.JSON != nil, l.Text != nil} {
		if given {
			bodies++
		}
	}
	switch {
	case (l.URL == "") == (l.Function == ""):
		return Request{}, errors.New(`want "url" or "function"`)
	case bodies > 1 || l.Function != "" && bodies > 0:
		return Request{}, errors.New(`"body", "json" and "text" exclude each other; a function has "input"`)
	case l.Function == "" && (l.Mode != "" || l.Input != nil):
		return Request{}, errors.New(`"mode" and "input" are of a function`)
	}
	switch {
	case l.Text != nil:
		d.Body = []byte(*l.Text)
	case l.JSON != nil:
		d.Body = l.JSON
	case l.Body != nil:
		d.Body = l.Body
	case l.Function != "" && l.Input != nil:
		d.Body = l.Input
	}
	if l.Method != "" {
		d.Method = l.Method
	}
	d.Headers = slices.Clone(d.Headers)
	for name, raw := range l.Header {
		var values []string
		if json.Unmarshal(raw, &values) != nil {
			var one string
			if err := json.Unmarshal(raw, &one); err != nil {
				return Request{}, fmt.Errorf("header %q: want a text or a list of them", name)
			}
			values = []string{one}
		}
		for _, v := range values {
			h, err := ParseHeader(name + ": " + v)
			if err != nil {
				return Request{}, err
			}
			d.Headers = append(d.Headers, h)
		}
	}
	if l.JSON != nil && !slices.ContainsFunc(d.Headers, isContentType) {
		d.Headers = append(d.Headers, Header{"Content-Type", "application/json"})
	}
	t := URLTarget(d, l.URL)
	if l.Function != "" {
		var err error
		if t, err = FunctionTarget(d, l.Function, l.Mode); err != nil {
			return Request{}, err
		}
	}
	weight := 1.0
	if l.Weight != nil {
		weight = *l.Weight
	}
	if !(weight > 0) {
		return Request{}, fmt.Errorf("weight %v is not above 0", weight)
	}
	return Request{Method: t.Method, URL: t.URL, Headers: t.Headers, Body: t.Body, weight: weight}, nil
}

func isContentType(h Header) bool { return strings.EqualFold(h.Name, "Content-Type") }

func readTextRequests(in io.Reader, d Defaults, dir string) (list []Request, err error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	open := false // a request whose headers may go on
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		method, target, two := strings.Cut(line, " ")
		switch {
		case line == "":
			open = false
		case strings.HasPrefix(line, "#"):
		case open && strings.HasPrefix(line, "@"):
			file := line[1:]
			if !filepath.IsAbs(file) {
				file = filepath.Join(dir, file)
			}
			body, err := ReadBody(file)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", n, err)
			}
			list[len(list)-1].Body = body
		case open && !strings.Contains(method, "://") && strings.Contains(method, ":"):
			h, err := ParseHeader(line)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", n, err)
			}
			list[len(list)-1].Headers = append(list[len(list)-1].Headers, h)
		case two && strings.Contains(target, "://") && method == strings.ToUpper(method):
			if len(list) == MaxPaths {
				return nil, fmt.Errorf("line %d: want at most %d requests", n, MaxPaths)
			}
			open = true
			list = append(list, Request{Method: method, URL: strings.TrimSpace(target), Headers: slices.Clone(d.Headers), Body: d.Body, weight: 1})
		default:
			return nil, fmt.Errorf("line %d: %q is neither METHOD URL, a header of one, nor @FILE with its body", n, line)
		}
	}
	return list, lines.Err()
}

// Rows are the columns of a CSV file, whose first line names them.
type Rows struct {
	names []string
	rows  [][]string
}

// ReadRows reads a CSV file of at most MaxPaths rows.
func ReadRows(file string) (*Rows, error) {
	f, err := os.Open(file) // #nosec G304 -- the user named the file
	if err != nil {
		return nil, fmt.Errorf("data file: %w", err)
	}
	defer f.Close()
	in := csv.NewReader(f)
	out := &Rows{}
	for {
		row, err := in.Read()
		switch {
		case errors.Is(err, io.EOF) && len(out.rows) == 0:
			return nil, fmt.Errorf("data file %s: want a line with the names of the columns and one with values at least", file)
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, fmt.Errorf("data file %s: %w", file, err)
		case out.names == nil:
			out.names = row
		case len(out.rows) == MaxPaths:
			return nil, fmt.Errorf("data file %s: want at most %d rows", file, MaxPaths)
		default:
			out.rows = append(out.rows, row)
		}
	}
}

// Fill makes of a target one with a request for each row: {{NAME}} in its URL,
// headers and body becomes the value of that column. In a URL the value is escaped
// for it, in a JSON body for a JSON string.
func (t Target) Fill(d *Rows) (Target, error) {
	var bases []Request
	switch {
	case t.Paths == nil:
		bases = []Request{{Method: t.Method, URL: t.URL, Headers: t.Headers, Body: t.Body, weight: 1}}
	case t.Paths.Requests != nil:
		bases = t.Paths.Requests
	default:
		return t, errors.New("data from a file fills one request or a list of them, not many paths")
	}
	if len(bases)*len(d.rows) > MaxPaths {
		return t, fmt.Errorf("%d requests for each of %d rows: want at most %d together", len(bases), len(d.rows), MaxPaths)
	}
	plain, inURL, inJSON := make([]string, 2*len(d.names)), make([]string, 2*len(d.names)), make([]string, 2*len(d.names))
	list := make([]Request, 0, len(bases)*len(d.rows))
	for _, row := range d.rows {
		for i, name := range d.names {
			quoted, err := json.Marshal(row[i])
			if err != nil {
				return t, err
			}
			key := "{{" + name + "}}"
			plain[2*i], inURL[2*i], inJSON[2*i] = key, key, key
			plain[2*i+1], inURL[2*i+1], inJSON[2*i+1] = row[i], url.PathEscape(row[i]), string(quoted[1:len(quoted)-1])
		}
		text, address, jsonText := strings.NewReplacer(plain...), strings.NewReplacer(inURL...), strings.NewReplacer(inJSON...)
		for _, b := range bases {
			r := b
			r.URL = address.Replace(unescapeBraces(b.URL))
			r.Headers = slices.Clone(b.Headers)
			for i := range r.Headers {
				r.Headers[i].Value = text.Replace(r.Headers[i].Value)
			}
			in := text
			if head := bytes.TrimSpace(b.Body); len(head) > 0 && bytes.IndexByte([]byte(`{["`), head[0]) >= 0 {
				in = jsonText
			}
			if b.Body != nil {
				r.Body = []byte(in.Replace(string(b.Body)))
			}
			if left := leftOver(r); left != "" {
				return t, fmt.Errorf("%s is no column of the data: it has %s", left, strings.Join(d.names, ", "))
			}
			list = append(list, r)
		}
	}
	filled, err := listed(Defaults{ExpectStatus: t.ExpectStatus, ExpectBody: t.ExpectBody}, t.Name, list)
	filled.Weight = t.Weight
	return filled, err
}

// unescapeBraces undoes the escape of a placeholder in a function's name.
func unescapeBraces(text string) string {
	return strings.NewReplacer("%7B%7B", "{{", "%7D%7D", "}}").Replace(text)
}

// leftOver is a placeholder that no column has filled; "" for none.
func leftOver(r Request) string {
	texts := []string{r.URL, string(r.Body)}
	for _, h := range r.Headers {
		texts = append(texts, h.Value)
	}
	for _, text := range texts {
		if _, rest, ok := strings.Cut(text, "{{"); ok {
			if name, _, ok := strings.Cut(rest, "}}"); ok && !strings.ContainsAny(name, "{}\"\n") {
				return "{{" + name + "}}"
			}
		}
	}
	return ""
}
