package api

import (
	"github.com/go-json-experiment/json/jsontext"

	"simplane/server/internal/httpjson"
	"simplane/server/internal/jsonobject"
)

// invocation is a decoded request body. Both slices point into it.
type invocation struct {
	input    []byte // raw JSON, not null
	metadata []byte // raw JSON object of strings; nil when absent
}

// decodeInvocation reads {"input":…,"metadata":…}. Unknown keys are ignored.
func decodeInvocation(body []byte) (invocation, *httpjson.Error) {
	if inv, ok := scanInvocation(body); ok {
		return inv, nil
	}
	return readInvocation(body)
}

// scanInvocation is readInvocation for bodies that nothing is wrong with; false
// when something may be.
func scanInvocation(body []byte) (inv invocation, ok bool) {
	ok = jsonobject.Scan(body, func(name, value []byte) bool {
		switch string(name) {
		case "input":
			inv.input = value
		case "metadata":
			if inv.metadata = value; value[0] == 'n' { // null
				inv.metadata = nil
				return true
			}
			return jsonobject.Scan(value, func(_, value []byte) bool { return value[0] == '"' })
		}
		return true
	})
	return inv, ok && len(inv.input) > 0 && inv.input[0] != 'n'
}

// readInvocation says what is wrong with a body.
func readInvocation(body []byte) (invocation, *httpjson.Error) {
	var inv invocation
	r := httpjson.ReadBody(body)
	defer r.Close()
	var problem string
	fault := r.Object(body, func(name []byte) (bool, error) {
		var err error
		switch string(name) {
		case "input":
			inv.input, err = jsonobject.Value(&r.Dec, body)
			return true, err
		case "metadata":
			inv.metadata, problem, err = decodeMetadata(&r.Dec, body)
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
		return inv, httpjson.ValidationFailed(details...)
	case problem != "":
		return inv, httpjson.ValidationFailed(problem)
	}
	return inv, nil
}

// decodeMetadata reads an object of strings; null counts as absent.
func decodeMetadata(dec *jsontext.Decoder, body []byte) (raw []byte, problem string, err error) {
	const want = "metadata: must be an object of strings"
	switch dec.PeekKind() {
	case 'n':
		return nil, "", dec.SkipValue()
	case '{':
	default:
		return nil, want, dec.SkipValue()
	}
	if _, err = dec.ReadToken(); err != nil {
		return nil, "", err
	}
	start := dec.InputOffset() - 1
	for n := 0; dec.PeekKind() != '}'; n++ {
		if n%2 == 1 && dec.PeekKind() != '"' {
			problem = want
		}
		if err = dec.SkipValue(); err != nil {
			return nil, "", err
		}
	}
	if _, err = dec.ReadToken(); err != nil {
		return nil, "", err
	}
	return body[start:dec.InputOffset()], problem, nil
}
