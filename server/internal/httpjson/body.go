package httpjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"simplane/server/internal/jsonobject"
)

// BodyReader is a pooled JSON decoder over one request body.
type BodyReader struct {
	buf bytes.Buffer
	Dec jsontext.Decoder
}

var bodyReaders = sync.Pool{New: func() any { return new(BodyReader) }}

// ReadBody returns a reader of body, which is to be closed.
func ReadBody(body []byte) *BodyReader {
	r := bodyReaders.Get().(*BodyReader)
	r.buf = *bytes.NewBuffer(body)
	r.Dec.Reset(&r.buf, jsontext.AllowDuplicateNames(true))
	return r
}

// Close returns the reader to its pool. It must not be used afterwards.
func (r *BodyReader) Close() {
	r.buf = bytes.Buffer{}
	bodyReaders.Put(r)
}

// Object reads one JSON object that is the whole body and calls member for
// each key in it; member may read the value, or leave it to be skipped. It
// reports malformed JSON with the byte offset.
func (r *BodyReader) Object(body []byte, member func(name []byte) (read bool, err error)) *Error {
	if len(bytes.TrimSpace(body)) == 0 {
		return BadRequest(CodeMalformedJSON, "the request body is empty; send a JSON object")
	}
	switch err := jsonobject.Read(&r.Dec, member); err {
	case nil:
		return nil
	case jsonobject.ErrOther:
		return BadRequest(CodeMalformedJSON, "the request body must be a JSON object (offset 0)")
	default:
		return malformed(err)
	}
}

// WholeObject checks that body is one JSON object and nothing else.
func WholeObject(body []byte) *Error {
	if jsonobject.Scan(body, func(_, _ []byte) bool { return true }) {
		return nil
	}
	r := ReadBody(body)
	defer r.Close()
	return r.Object(body, func([]byte) (bool, error) { return false, nil })
}

// malformed turns a decoder's error into the response.
func malformed(err error) *Error {
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		return BadRequest(CodeMalformedJSON, fmt.Sprintf("malformed JSON at byte offset %d: %s", syntax.ByteOffset, reason(syntax)))
	}
	return BadRequest(CodeMalformedJSON, "malformed JSON: "+err.Error())
}

func reason(e *jsontext.SyntacticError) string {
	if errors.Is(e.Err, io.ErrUnexpectedEOF) {
		return "the body ends too early"
	}
	return strings.TrimPrefix(e.Err.Error(), "jsontext: ")
}

// Undecodable is the response to well-formed JSON that does not fit its Go
// type.
func Undecodable(err error) *Error {
	if field, what, ok := WrongType(err); ok {
		return ValidationFailed(field + ": " + what)
	}
	return BadRequest(CodeMalformedJSON, "malformed JSON: "+err.Error())
}

// WrongType names the field whose value has the wrong type, if err is about
// one.
func WrongType(err error) (field, what string, ok bool) {
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
