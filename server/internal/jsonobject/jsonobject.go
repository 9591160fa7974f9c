// Package jsonobject reads a JSON object member by member, without reflection.
package jsonobject

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// Read reads an object that is all of dec's input and calls member for each name
// in it; member may read the value and return true, or leave it to be
// skipped. name is valid until then. The error is member's, or says what is
// wrong with the input.
func Read(dec *jsontext.Decoder, member func(name []byte) (read bool, err error)) error {
	if dec.PeekKind() != '{' {
		if _, err := dec.ReadValue(); err != nil {
			return err
		}
		return ErrOther
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadValue()
		if err != nil {
			return err
		}
		read, err := member(plain(name))
		if err == nil && !read {
			err = dec.SkipValue()
		}
		if err != nil {
			return err
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	if _, err := dec.ReadToken(); err != io.EOF {
		if err == nil {
			err = fmt.Errorf("unexpected data after the object at byte offset %d", dec.InputOffset())
		}
		return err
	}
	return nil
}

// ErrOther is the error for JSON that is no object.
var ErrOther = errors.New("not a JSON object")

// Value reads the next value and returns it as a part of text, which is all that
// dec reads.
func Value(dec *jsontext.Decoder, text []byte) ([]byte, error) {
	v, err := dec.ReadValue()
	if err != nil {
		return nil, err
	}
	end := dec.InputOffset()
	return text[end-int64(len(v)) : end : end], nil
}

// plain strips the quotes of a name, and undoes its escapes if it has any.
func plain(quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	name, _ := jsontext.AppendUnquote(nil, quoted)
	return name
}
