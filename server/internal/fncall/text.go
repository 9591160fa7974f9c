package fncall

import (
	"bytes"
	"encoding/json"
	"mime"

	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

const byteOrderMark = "\uFEFF"

// mediaType reports whether a Content-Type is text/*, and its charset; empty
// for UTF-8 and for none.
func mediaType(contentType []byte) (isText bool, charset string) {
	const text = "text/"
	isText = len(contentType) >= len(text) && bytes.EqualFold(contentType[:len(text)], []byte(text))
	_, params, any := bytes.Cut(contentType, []byte(";"))
	if !any || bytes.EqualFold(bytes.TrimSpace(params), []byte("charset=utf-8")) {
		return isText, ""
	}
	// Even with an error it returns what it could read.
	_, named, _ := mime.ParseMediaType(string(contentType))
	return isText, named["charset"]
}

// inUTF8 is body decoded by its charset; invalid bytes become U+FFFD. An
// unknown charset is treated as UTF-8. UTF-8 is returned unchanged but for a
// byte order mark, and may be invalid.
func inUTF8(body []byte, charset string) []byte {
	if charset != "" {
		if e, err := htmlindex.Get(charset); err == nil && e != unicode.UTF8 {
			// A byte order mark takes precedence (WHATWG Encoding, section
			// 6.1).
			decoded, _, err := transform.Bytes(unicode.BOMOverride(e.NewDecoder()), body)
			if err == nil {
				return decoded
			}
		}
	}
	return bytes.TrimPrefix(body, []byte(byteOrderMark))
}

// AsInput is the body of a request as an input: JSON if it is, otherwise a string,
// decoded by the charset of its Content-Type. It keeps body, or nothing of it.
func AsInput(contentType, body []byte) json.RawMessage {
	isText, charset := mediaType(contentType)
	body = inUTF8(body, charset)
	if isText {
		return quoted(body)
	}
	return JSONOrText(body)
}
