package fncall

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/valyala/fasthttp"

	"simplane/server/internal/jsonobject"
)

// decode reads an HTTP answer. A status of 300 or more is an error. Text
// becomes a JSON string, an empty body null, anything else must be JSON,
// whatever its Content-Type; if raw, what is not is text as well. limit holds for the body, unpacked if it is
// compressed.
func decode(resp *fasthttp.Response, limit int, raw bool) (Answer, error) {
	a := Answer{Status: resp.StatusCode()}
	body, err := unpacked(resp, limit)
	switch {
	case a.Status >= 300:
		if err != nil {
			body = resp.Body()
		}
		return a, &Error{
			Kind: Refused, Message: fmt.Sprintf("answered with status %d: %s", a.Status, Snippet(body)),
			Permanent: permanent(a.Status, body), RetryAfter: retryAfter(resp.Header.Peek("Retry-After"), time.Now()),
		}
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return a, tooLarge(limit)
	case err != nil:
		return a, &Error{Kind: BadOutput, Message: "undecodable body: " + Snippet([]byte(err.Error()))}
	}
	contentType := resp.Header.ContentType()
	isText, charset := mediaType(contentType)
	body = inUTF8(body, charset)
	switch {
	case isText:
		a.Output = quoted(body)
	case len(bytes.TrimSpace(body)) == 0:
		a.Output = json.RawMessage("null")
	default:
		output, err := JSON(body)
		if err != nil && raw && utf8.Valid(body) {
			a.Output = quoted(body)
			break
		}
		if err != nil {
			return a, &Error{Kind: BadOutput, Message: fmt.Sprintf("%s (Content-Type %q)", err, Snippet(contentType))}
		}
		if len(output) < largeBody {
			a.Output = bytes.Clone(output) // the body goes back to fasthttp's pool
		} else {
			a.Output = Own(output, body)
			resp.SwapBody(nil) // and this one does not
		}
	}
	a.ColdStart, a.Init = reportedStart(&resp.Header)
	return a, nil
}

// reportedStart is what a function says of having been started for a call.
func reportedStart(h *fasthttp.ResponseHeader) (cold bool, init time.Duration) {
	var after []byte
	for name, value := range h.All() {
		switch {
		case bytes.EqualFold(name, headerColdStart):
			cold = cold || bytes.EqualFold(value, []byte("true"))
		case bytes.EqualFold(name, headerInitDuration):
			after = value
		}
	}
	if cold {
		ms, _ := strconv.ParseInt(string(after), 10, 32)
		init = time.Duration(max(ms, 0)) * time.Millisecond
	}
	return cold, init
}

var headerColdStart, headerInitDuration = []byte("X-Cold-Start"), []byte("X-Init-Duration-Ms")

// unpacked is the body without its Content-Encoding.
func unpacked(resp *fasthttp.Response, limit int) ([]byte, error) {
	body, coding := resp.Body(), resp.Header.ContentEncoding()
	switch {
	case len(coding) == 0, len(body) == 0, bytes.EqualFold(coding, []byte("identity")):
		return body, nil
	case bytes.EqualFold(coding, []byte("x-gzip")): // RFC 9110, section 8.4.1.3
		resp.Header.SetContentEncoding("gzip")
	}
	return resp.BodyUncompressedWithLimit(limit)
}

// JSON is a function's output without surrounding white space and byte order
// mark, if it is JSON in UTF-8. It is a part of raw. The error is an *Error.
func JSON(raw []byte) ([]byte, error) {
	output := bytes.TrimSpace(bytes.TrimPrefix(raw, []byte(byteOrderMark)))
	if jsonobject.Whole(output) {
		return output, nil
	}
	if !utf8.Valid(output) {
		return nil, &Error{Kind: BadOutput, Message: "the answer is not UTF-8: " + Snippet(raw)}
	}
	// Duplicate names and escaped halves of surrogate pairs are legal JSON.
	// Invalid UTF-8 has been found already.
	value := jsontext.Value(output)
	if !value.IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) {
		return nil, &Error{Kind: BadOutput, Message: "the answer is not JSON: " + Snippet(raw)}
	}
	return output, nil
}

// JSONOrText is what a program wrote as output: JSON if it is, otherwise a string.
// It keeps raw, or nothing of it.
func JSONOrText(raw []byte) json.RawMessage {
	output, err := JSON(raw)
	if err != nil {
		return quoted(raw)
	}
	return Own(output, raw)
}

// quoted is text as a JSON string; invalid bytes become U+FFFD.
func quoted(text []byte) json.RawMessage {
	b, _ := jsontext.AppendQuote(nil, text)
	return b
}

// Own is a part of a function's answer for keeping: a copy unless the part is
// nearly all of the whole, seven eighths at least, which is kept with it and
// counts as the part only.
func Own(part, whole []byte) []byte {
	if len(part) < cap(whole)/8*7 {
		return bytes.Clone(part)
	}
	return part
}

func tooLarge(limit int) *Error {
	return &Error{Kind: BadOutput, Message: fmt.Sprintf("the answer is larger than %d bytes", limit)}
}

// Snippet makes the start of arbitrary bytes fit for a message: one line of
// printable text, at most 200 bytes of it.
func Snippet(b []byte) string {
	const limit = 200
	cut := len(b) > limit
	if cut {
		b = b[:limit]
	}
	s := strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t', r == '\r':
			return ' '
		case r < ' ', r == utf8.RuneError, r == 0x7f:
			return '?'
		}
		return r
	}, string(b))
	s = strings.TrimSpace(s)
	if cut {
		s += "…"
	}
	return s
}
