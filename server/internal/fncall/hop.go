package fncall

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

// hopByHop are the header fields that are about one connection (RFC 9110, 7.6.1),
// and those that frame a message, which whoever passes it on does anew.
var hopByHop = [][]byte{
	[]byte("Connection"), []byte("Keep-Alive"), []byte("Proxy-Connection"), []byte("Proxy-Authenticate"), []byte("Proxy-Authorization"),
	[]byte("TE"), []byte("Trailer"), []byte("Transfer-Encoding"), []byte("Upgrade"), []byte("HTTP2-Settings"),
	[]byte(fasthttp.HeaderContentLength),
}

// HopByHop reports whether a header field is not to be passed on; connection is the
// value of Connection, which may name some more.
func HopByHop(name, connection []byte) bool {
	for _, hop := range hopByHop {
		if len(hop) == len(name) && bytes.EqualFold(hop, name) {
			return true
		}
	}
	for len(connection) > 0 {
		var token []byte
		token, connection, _ = bytes.Cut(connection, []byte(","))
		if bytes.EqualFold(bytes.TrimSpace(token), name) {
			return true
		}
	}
	return false
}

// AppendField appends a header line. Control bytes in the value, which could end the
// line, become spaces; a name that is none is left out with its value.
func AppendField(b, name, value []byte) []byte {
	if !validName(name) {
		return b
	}
	b = append(append(b, name...), ": "...)
	at := len(b)
	b = append(b, value...)
	clean(b[at:])
	return append(b, "\r\n"...)
}

// validName reports whether a header field's name is a token (RFC 9110, 5.6.2).
func validName(name []byte) bool {
	for _, c := range name {
		switch {
		case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9':
		case bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), c) >= 0:
		default:
			return false
		}
	}
	return len(name) > 0
}
