package fncall

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

// hopByHop are the header fields that are about one connection (RFC 9110, 7.6.1),
// and those that frame a message, which whoever passes it on does anew.
var hopByHop = FieldNames(
	"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization",
	"TE", "Trailer", "Transfer-Encoding", "Upgrade", "HTTP2-Settings", fasthttp.HeaderContentLength,
)

// NameSet is a set of header fields' names, by their lengths: most names of a message
// have the length of none or one.
type NameSet [32][][]byte

// FieldNames makes a set of names of less than 32 bytes.
func FieldNames(names ...string) *NameSet {
	var s NameSet
	for _, name := range names {
		s[len(name)] = append(s[len(name)], []byte(name))
	}
	return &s
}

// Has reports whether a name, in any case, is in the set.
func (s *NameSet) Has(name []byte) bool {
	if len(name) >= len(s) {
		return false
	}
	for _, n := range s[len(name)] {
		if bytes.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// HopByHop reports whether a header field is not to be passed on; connection is the
// value of Connection, which may name some more.
func HopByHop(name, connection []byte) bool {
	if hopByHop.Has(name) {
		return true
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
		if !tokens[c] {
			return false
		}
	}
	return len(name) > 0
}

// tokens are the bytes that a token may have.
var tokens = func() (is [256]bool) {
	for c := range is {
		is[c] = 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), byte(c)) >= 0
	}
	return is
}()
