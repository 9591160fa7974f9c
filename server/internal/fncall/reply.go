package fncall

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"simplane/server/internal/jsonobject"
)

// Reply is a line of the function protocol. The execution id is optional; an
// answer that has it cannot be taken for that of another call.
type Reply struct {
	ExecutionID string
	Output      json.RawMessage // nil for none
	Error       *replyError     // nil for none
}

type replyError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	retryable
}

// IsAnswer tells a reply from any other line of JSON.
func (r *Reply) IsAnswer() bool { return r.Output != nil || r.Error != nil }

// Answer is the outcome that a reply reports. The error is an *Error.
func (r *Reply) Answer() (Answer, error) {
	if r.Error != nil {
		return Answer{}, &Error{Kind: Failed, Code: r.Error.Code, Message: r.Error.Message, Permanent: r.Error.never()}
	}
	output, err := JSON(r.Output)
	return Answer{Output: output}, err
}

// ReplyReader parses replies as encoding/json would, with neither its
// allocations nor, on the first line of a function, its start-up: that comes
// while the caller of a cold start waits.
type ReplyReader struct {
	buf bytes.Buffer
	dec jsontext.Decoder
}

// Parse reads a line; Output is a part of it.
func (r *ReplyReader) Parse(line []byte) (Reply, error) {
	var a Reply
	var wrong error
	if jsonobject.Scan(line, func(name, value []byte) bool {
		wrong = a.member(name, value)
		return wrong == nil
	}) {
		return a, nil
	}
	if wrong != nil {
		return a, wrong
	}
	r.buf = *bytes.NewBuffer(line)
	r.dec.Reset(&r.buf, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	a, err := r.object(line)
	r.buf = bytes.Buffer{}
	r.dec.Reset(&r.buf) // it would keep the line otherwise
	return a, err
}

// object reads a line that nothing is taken for granted of.
func (r *ReplyReader) object(line []byte) (a Reply, err error) {
	err = jsonobject.Read(&r.dec, func(name []byte) (read bool, err error) {
		value, err := jsonobject.Value(&r.dec, line)
		if err == nil {
			err = a.member(name, value)
		}
		return true, err
	})
	return a, err
}

// member takes one member of a line.
func (r *Reply) member(name, value []byte) (err error) {
	is := func(want string) bool { return strings.EqualFold(string(name), want) }
	switch kind := jsontext.Value(value).Kind(); {
	case is("output"):
		r.Output = value
	case is("error"):
		err = json.Unmarshal(value, &r.Error)
	case is("executionId") && kind == '"':
		text, _ := jsontext.AppendUnquote(nil, value) // invalid UTF-8 is replaced
		r.ExecutionID = string(text)
	case is("executionId") && kind != 'n':
		err = errors.New("executionId is not a string")
	}
	return err
}
