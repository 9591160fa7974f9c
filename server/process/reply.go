package process

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// reply is a line of the function protocol. The execution id is optional; a
// function that returns it cannot have its answers mixed up.
type reply struct {
	ExecutionID string
	Output      json.RawMessage // nil for none
	Error       *replyError     // nil for none
}

type replyError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// isAnswer tells a reply from any other line of JSON.
func (r *reply) isAnswer() bool { return r.Output != nil || r.Error != nil }

// replyReader parses replies as encoding/json would, with neither its
// allocations nor, on the first line of a function, its start-up: that comes
// while the caller of a cold start waits.
type replyReader struct {
	buf bytes.Buffer
	dec jsontext.Decoder
}

// parse reads a line; Output is a part of it.
func (r *replyReader) parse(line []byte) (reply, error) {
	r.buf = *bytes.NewBuffer(line)
	r.dec.Reset(&r.buf, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	a, err := r.object(line)
	r.buf = bytes.Buffer{}
	r.dec.Reset(&r.buf) // it keeps the line otherwise
	return a, err
}

func (r *replyReader) object(line []byte) (a reply, err error) {
	if r.dec.PeekKind() != '{' {
		return a, errors.New("not a JSON object")
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return a, err
	}
	for r.dec.PeekKind() != '}' {
		name, err := r.dec.ReadValue()
		if err != nil {
			return a, err
		}
		key := text(name)
		value, err := r.dec.ReadValue()
		if err != nil {
			return a, err
		}
		switch {
		case strings.EqualFold(key, "executionId"):
			switch value.Kind() {
			case '"':
				a.ExecutionID = text(value)
			case 'n':
			default:
				err = errors.New("executionId is not a string")
			}
		case strings.EqualFold(key, "output"):
			end := r.dec.InputOffset()
			a.Output = line[end-int64(len(value)) : end : end]
		case strings.EqualFold(key, "error"):
			err = json.Unmarshal(value, &a.Error)
		}
		if err != nil {
			return a, err
		}
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return a, err
	}
	if _, err := r.dec.ReadToken(); err != io.EOF {
		return a, errors.New("something follows the JSON object")
	}
	return a, nil
}

// text is what a JSON string says; what is no UTF-8 in it is replaced.
func text(quoted jsontext.Value) string {
	plain, _ := jsontext.AppendUnquote(nil, quoted)
	return string(plain)
}
