package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"simplane/server/jsonobject"
)

// invocation is a decoded request body. Both slices point into it.
type invocation struct {
	input    []byte // raw JSON, not null
	metadata []byte // raw JSON object of strings; nil when absent
}

// bodyReader is a pooled JSON decoder over one request body.
type bodyReader struct {
	buf bytes.Buffer
	dec jsontext.Decoder
}

var bodyReaders = sync.Pool{New: func() any { return new(bodyReader) }}

func readBody(body []byte) *bodyReader {
	r := bodyReaders.Get().(*bodyReader)
	r.buf = *bytes.NewBuffer(body)
	r.dec.Reset(&r.buf, jsontext.AllowDuplicateNames(true))
	return r
}

func (r *bodyReader) close() {
	r.buf = bytes.Buffer{}
	bodyReaders.Put(r)
}

// object reads one JSON object that is the whole body and calls member for
// each key in it; member may read the value, or leave it to be skipped. It
// reports malformed JSON with the byte offset.
func (r *bodyReader) object(body []byte, member func(name []byte) (read bool, err error)) *apiError {
	if len(bytes.TrimSpace(body)) == 0 {
		return badRequest(codeMalformedJSON, "the request body is empty; send a JSON object")
	}
	switch err := jsonobject.Read(&r.dec, member); err {
	case nil:
		return nil
	case jsonobject.ErrOther:
		return badRequest(codeMalformedJSON, "the request body must be a JSON object (offset 0)")
	default:
		return malformed(err)
	}
}

// wholeObject checks that body is one JSON object and nothing else.
func wholeObject(body []byte) *apiError {
	r := readBody(body)
	defer r.close()
	return r.object(body, func([]byte) (bool, error) { return false, nil })
}

// decodeInvocation reads {"input":…,"metadata":…}. Unknown keys are ignored.
func decodeInvocation(body []byte) (invocation, *apiError) {
	var inv invocation
	r := readBody(body)
	defer r.close()
	var problem string
	fault := r.object(body, func(name []byte) (bool, error) {
		var err error
		switch string(name) {
		case "input":
			inv.input, err = jsonobject.Value(&r.dec, body)
			return true, err
		case "metadata":
			inv.metadata, problem, err = r.metadata(body)
			return true, err
		}
		return false, nil
	})
	switch {
	case fault != nil:
		return inv, fault
	case len(inv.input) == 0 || inv.input[0] == 'n': // null
		details := []string{"input: input must not be null"}
		if problem != "" {
			details = append(details, problem)
		}
		return inv, validationFailed(details...)
	case problem != "":
		return inv, validationFailed(problem)
	}
	return inv, nil
}

// metadata reads an object of strings; null counts as absent.
func (r *bodyReader) metadata(body []byte) (raw []byte, problem string, err error) {
	const want = "metadata: must be an object of strings"
	switch r.dec.PeekKind() {
	case 'n':
		return nil, "", r.dec.SkipValue()
	case '{':
	default:
		return nil, want, r.dec.SkipValue()
	}
	if _, err = r.dec.ReadToken(); err != nil {
		return nil, "", err
	}
	start := r.dec.InputOffset() - 1
	for n := 0; r.dec.PeekKind() != '}'; n++ {
		if n%2 == 1 && r.dec.PeekKind() != '"' {
			problem = want
		}
		if err = r.dec.SkipValue(); err != nil {
			return nil, "", err
		}
	}
	if _, err = r.dec.ReadToken(); err != nil {
		return nil, "", err
	}
	return body[start:r.dec.InputOffset()], problem, nil
}

// malformed turns a decoder's error into the answer.
func malformed(err error) *apiError {
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		return badRequest(codeMalformedJSON, fmt.Sprintf("malformed JSON at byte offset %d: %s", syntax.ByteOffset, reason(syntax)))
	}
	return badRequest(codeMalformedJSON, "malformed JSON: "+err.Error())
}

func reason(e *jsontext.SyntacticError) string {
	if errors.Is(e.Err, io.ErrUnexpectedEOF) {
		return "the body ends too early"
	}
	return strings.TrimPrefix(e.Err.Error(), "jsontext: ")
}

// undecodable is the answer when well-formed JSON does not fit its Go type.
func undecodable(err error) *apiError {
	if field, what, ok := wrongType(err); ok {
		return validationFailed(field + ": " + what)
	}
	return badRequest(codeMalformedJSON, "malformed JSON: "+err.Error())
}

// wrongType says which field has a value of the wrong type, if that is it.
func wrongType(err error) (field, what string, ok bool) {
	var e *json.UnmarshalTypeError
	if !errors.As(err, &e) {
		return "", "", false
	}
	return e.Field, fmt.Sprintf("must be %s, not %s", typeName(e.Type.Kind().String()), e.Value), true
}

func typeName(kind string) string {
	switch kind {
	case "int", "int64":
		return "a whole number"
	case "bool":
		return "true or false"
	case "float64":
		return "a number"
	case "slice":
		return "an array"
	case "map", "struct":
		return "an object"
	}
	return "a " + kind
}
