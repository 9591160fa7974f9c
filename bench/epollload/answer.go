package epollload

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"simplane/bench/loadgen"
)

// Bounds of one answer in the client's memory.
const (
	maxHead = 64 << 10
	maxBody = 64 << 20
)

// answer is one HTTP/1.1 answer.
type answer struct {
	status int
	body   []byte
	size   int  // bytes of the whole answer
	close  bool // the server closes the connection after it
}

var (
	errNotHTTP  = errors.New("not an HTTP/1.1 answer")
	errNoLength = errors.New("answer without Content-Length: this client reads no other kind")
	errTooLarge = errors.New("answer larger than this client accepts")
)

var (
	headEnd       = []byte("\r\n\r\n")
	contentLength = []byte("content-length")
	connection    = []byte("connection")
	closeToken    = []byte("close")
)

// parse reads the first answer in b. It returns false while bytes are missing.
// bodiless says that the request was one whose answer has no body.
func parse(b []byte, bodiless bool) (answer, bool, error) {
	end := bytes.Index(b, headEnd)
	if end < 0 {
		if len(b) > maxHead {
			return answer{}, false, errTooLarge
		}
		return answer{}, false, nil
	}
	if end < 12 || !bytes.HasPrefix(b, []byte("HTTP/1.1 ")) {
		return answer{}, false, errNotHTTP
	}
	status, ok := number(b[9:12])
	if !ok || status < 100 {
		return answer{}, false, errNotHTTP
	}
	a := answer{status: status, size: end + len(headEnd)}
	if status < 200 {
		// An interim answer: the one that counts follows.
		next, complete, err := parse(b[a.size:], bodiless)
		next.size += a.size
		return next, complete, err
	}
	length := -1
	for lines := b[:end+2]; len(lines) > 0; {
		nl := bytes.IndexByte(lines, '\n')
		line := lines[:nl]
		lines = lines[nl+1:]
		// Headers of other lengths are passed over without a comparison.
		if colon := bytes.IndexByte(line, ':'); colon == len(contentLength) && bytes.EqualFold(line[:colon], contentLength) {
			if length, ok = number(bytes.TrimSpace(line[colon+1:])); !ok {
				return answer{}, false, errNotHTTP
			}
		} else if colon == len(connection) && bytes.EqualFold(line[:colon], connection) {
			a.close = bytes.EqualFold(bytes.TrimSpace(line[colon+1:]), closeToken)
		}
	}
	switch {
	case bodiless || status == 204 || status == 304:
		length = 0
	case length < 0:
		return answer{}, false, errNoLength
	case length > maxBody:
		return answer{}, false, errTooLarge
	}
	if len(b) < a.size+length {
		return answer{}, false, nil
	}
	a.body = b[a.size : a.size+length]
	a.size += length
	return a, true, nil
}

// number reads up to nine decimal digits.
func number(b []byte) (int, bool) {
	if len(b) == 0 || len(b) > 9 {
		return 0, false
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, true
}

// judge names what is wrong with an answer; "" is a success.
func judge(a answer, want *loadgen.Target) string {
	expected := a.status >= 200 && a.status < 300
	if len(want.ExpectStatus) > 0 {
		expected = slices.Contains(want.ExpectStatus, a.status)
	}
	switch {
	case !expected:
		return fmt.Sprintf("status %d", a.status)
	case want.ExpectBody != "" && !bytes.Contains(a.body, []byte(want.ExpectBody)):
		return "body without the expected text"
	}
	return ""
}
