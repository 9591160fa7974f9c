package fncall

import (
	"bufio"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// Header lines are passed on in their order, with their names as the function writes them.
func TestAnswerHeadIsPassedOnAsItCame(t *testing.T) {
	for _, tc := range []struct {
		head, want string
		is         answerHead
	}{
		{
			"HTTP/1.1 200 OK\r\nx-b: 1\r\nSet-Cookie: a=b\r\nContent-Type: text/plain\r\nServer: s\r\nSet-Cookie: c\r\nX-EMPTY:\r\nDate:  now \t\r\nContent-Length: 5\r\n\r\n",
			"HTTP/1.1 200 OK\r\nx-b: 1\r\nSet-Cookie: a=b\r\nContent-Type: text/plain\r\nServer: s\r\nSet-Cookie: c\r\nX-EMPTY: \r\nDate: now\r\n",
			answerHead{status: 200, length: 5, measured: true},
		},
		{"HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 404 Not Found\r\n", answerHead{status: 404, measured: true}},
		{"\r\n\r\n\nHTTP/1.1  201\r\nTransfer-Encoding: Chunked\r\n\r\n", "HTTP/1.1 201 Created\r\n", answerHead{status: 201, length: inChunks, chunked: true}},
		{"HTTP/1.1 200 a\x01b\r\n\r\n", "HTTP/1.1 200 a b\r\n", answerHead{status: 200, length: toTheEnd, closes: true}},
		{"HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 204 No Content\r\n", answerHead{status: 204, length: toTheEnd}},
		{"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "HTTP/1.1 304 Not Modified\r\n", answerHead{status: 304, length: 9, measured: true}},
		{"HTTP/1.1 200 OK\nX: bare\r\nContent-Length: 0\n\r\n\r\n", "", answerHead{}},
		{"HTTP/1.1 200 OK\nX: bare\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nX: bare\r\n", answerHead{status: 200, measured: true}},
		// Connection, and what it names, wherever that is.
		{
			"HTTP/1.1 200 OK\r\nX-A: 1\r\nConnection: x-a, close\r\nX-B: 2\r\nConnection: X-C\r\nX-C: 3\r\nKeep-Alive: 5\r\nContent-Length: 1\r\n\r\n",
			"HTTP/1.1 200 OK\r\nX-B: 2\r\n", answerHead{status: 200, length: 1, measured: true, closes: true},
		},
		{"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n", "HTTP/1.1 200 OK\r\n", answerHead{status: 200, length: 1, measured: true, keeps: true}},
		{"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", "HTTP/1.1 200 OK\r\n", answerHead{status: 200, length: 1, measured: true, old: true, closes: true}},
		{"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\n", "HTTP/1.1 200 OK\r\n", answerHead{status: 200, length: 1, measured: true, old: true, keeps: true}},
		{"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\n", answerHead{status: 200, length: toTheEnd, old: true, closes: true}},
		// Both lengths: chunks count, and the connection is not to be trusted.
		{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\n", answerHead{status: 200, length: inChunks, chunked: true, measured: true, closes: true}},
		// Folded lines.
		{"HTTP/1.1 200 OK\r\nX: a\r\n \tb\r\n c\r\nContent-Length:\r\n 7\r\n\r\n", "HTTP/1.1 200 OK\r\nX: a   \tb   c\r\n", answerHead{status: 200, length: 7, measured: true}},
		// Names that some servers send.
		{"HTTP/1.1 200 OK\r\nMy Header: a\r\nX : b\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nX: b\r\n", answerHead{status: 200, measured: true, closes: true}},
		{"HTTP/1.1 200 OK\r\nX-Execution-ID: forged\r\nX-Cold-Start: True\r\nx-init-duration-ms: 12\r\nContent-Length: 0\r\n\r\n",
			"HTTP/1.1 200 OK\r\nX-Cold-Start: True\r\nx-init-duration-ms: 12\r\n", answerHead{status: 200, measured: true, coldStart: true, init: 12 * time.Millisecond}},
		// What is no head.
		{"HTTP/1.1 OK\r\n\r\n", "", answerHead{}},
		{"HTTP/1.1 2000 OK\r\n\r\n", "", answerHead{}},
		{"HTTP/1.1200 OK\r\n\r\n", "", answerHead{}},
		{"HTTP/1.1\r\n\r\n", "", answerHead{}},
		{"ICY 200 OK\r\n\r\n", "", answerHead{}},
		{"HTTP/1.1 200 OK\r\n X: y\r\n\r\n", "", answerHead{}},
		{"HTTP/1.1 200 OK\r\nX\r\n\r\n", "", answerHead{}},
		{"HTTP/1.1 200 OK\r\n: y\r\n\r\n", "", answerHead{}},
		{"HTTP/1.1 200 OK\r\nX\x00: y\r\n\r\n", "", answerHead{}},
		{"HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n", "", answerHead{}},
		{"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", "", answerHead{}},
		{"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "", answerHead{}},
		{"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "", answerHead{}},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "", answerHead{}},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "", answerHead{}},
	} {
		for name, in := range map[string]io.Reader{"whole": strings.NewReader(tc.head), "in bytes": iotest.OneByteReader(strings.NewReader(tc.head))} {
			b, err := peekHead(bufio.NewReader(in))
			var h answerHead
			var got []byte
			if err == nil {
				got, err = h.parse(b, nil, false)
			}
			if string(got) != tc.want || (err != nil) != (tc.want == "") {
				t.Errorf("%q, %s: %q, %v", tc.head, name, got, err)
			}
			if err == nil && h != tc.is {
				t.Errorf("%q, %s: %+v, want %+v", tc.head, name, h, tc.is)
			}
		}
	}
}

func TestAnswerHeadThatEndsEarly(t *testing.T) {
	for head, want := range map[string]error{
		"": io.EOF, "\r\n": io.EOF, "H": io.ErrUnexpectedEOF, "HTTP/1.1 200 OK\r\nX: y\r\n": io.ErrUnexpectedEOF,
		"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", 4096): errHeadTooLong,
	} {
		if _, err := peekHead(bufio.NewReaderSize(strings.NewReader(head), 4096)); err != want {
			t.Errorf("%.40q: %v, want %v", head, err, want)
		}
	}
}
