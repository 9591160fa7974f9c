package http1

import (
	"bufio"
	"bytes"
	"io"

	"github.com/valyala/fasthttp"
)

// MaxHeaders bounds the header fields of a request: each costs memory of its
// own once it is parsed.
const MaxHeaders = 64

// errBufferFull says that the head does not fit into the reader's buffer.
var errBufferFull = Malformed("a head larger than the buffer")

// readHead reads one head into h, or goes on after errBufferFull with a larger
// buffer; seen is what the scan before has seen of it. It refuses what RFC 9112 lets a recipient
// refuse because recipients differ in how they read it, which is what request
// smuggling is made of. The error is io.EOF if the peer has ended the stream
// before a request.
//
// fasthttp would accept folded header lines (5.2), lines that end in a bare LF
// (2.2), names with blanks in them (5.1), and take a body with the encoding
// "identity", which is none any more, for no body.
func readHead(h *fasthttp.RequestHeader, seen *headScan, in *bufio.Reader) error {
	for {
		b, _ := in.Peek(in.Buffered())
		if len(b) == 0 || seen.at == 0 && b[0] == '\r' {
			if err := skipEmptyLines(in); err != nil {
				return err
			}
			continue
		}
		done, err := seen.scan(b)
		if err != nil {
			return err
		}
		if done {
			break
		}
		if len(b) == in.Size() {
			return errBufferFull
		}
		if _, err := in.Peek(len(b) + 1); err != nil {
			return unexpected(err)
		}
	}
	if err := h.Read(in); err != nil {
		return Malformed(err.Error())
	}
	switch length := h.ContentLength(); {
	case !h.IsHTTP11() && string(h.Protocol()) != "HTTP/1.0":
		return ErrVersion
	case seen.length && seen.encoding:
		return Malformed("Content-Length and Transfer-Encoding exclude each other; send one of them")
	case seen.encoding && length != -1:
		return Malformed("chunked is the only Transfer-Encoding that is understood")
	case !validHost(h.Host()):
		return Malformed("the Host header is no host")
	}
	return nil
}

// skipEmptyLines drops the empty lines that some clients send after a body
// (2.2), and waits for what follows. The error is io.EOF when nothing does.
func skipEmptyLines(in *bufio.Reader) error {
	for range 8 {
		b, err := in.Peek(2)
		switch {
		case len(b) == 0:
			return err
		case b[0] != '\r':
			return nil
		case len(b) == 1:
			return unexpected(err)
		case b[1] != '\n':
			return Malformed("a CR without LF")
		}
		_, _ = in.Discard(2)
		if in.Buffered() == 0 {
			return errNothingYet
		}
	}
	return Malformed("too many empty lines before a request")
}

// errNothingYet says that all that has come are empty lines: there is no
// request yet.
var errNothingYet = Malformed("empty lines and nothing else")

// headScan is what was seen of a head that comes in pieces.
type headScan struct {
	at, lines        int // beginning of the line that is not complete, and those before it
	length, encoding bool
}

// scan looks at the lines that have come since the last time, and reports
// whether the head is complete.
func (s *headScan) scan(b []byte) (done bool, err error) {
	for {
		n := bytes.IndexByte(b[s.at:], '\n')
		if n < 0 {
			return false, nil
		}
		line := b[s.at : s.at+n]
		if n == 0 || line[n-1] != '\r' {
			return false, Malformed("a line ends in LF alone; lines end in CR LF")
		}
		line = line[:n-1]
		s.at += n + 1
		if s.lines++; s.lines == 1 {
			continue // the request line, which is not empty
		}
		if len(line) == 0 {
			return true, nil
		}
		if s.lines > 1+MaxHeaders {
			return false, ErrTooManyHeaders
		}
		if err := s.field(line); err != nil {
			return false, err
		}
	}
}

// field checks what fasthttp does not.
func (s *headScan) field(line []byte) error {
	if line[0] == ' ' || line[0] == '\t' {
		return Malformed("a header line begins with white space; folded lines are obsolete (RFC 9112, 5.2)")
	}
	colon := 0
	for colon < len(line) && line[colon] != ':' { // names are too short for bytes.IndexByte to be faster
		if line[colon] == ' ' {
			return Malformed("there is a blank in a header's name or before its colon")
		}
		colon++
	}
	if colon == 0 || colon == len(line) {
		return Malformed("a header line has no name or no colon")
	}
	name := line[:colon]
	switch name[0] | 0x20 {
	case 'c':
		s.length = s.length || len(name) == len(fasthttp.HeaderContentLength) && bytes.EqualFold(name, contentLength)
	case 't':
		s.encoding = s.encoding || len(name) == len(fasthttp.HeaderTransferEncoding) && bytes.EqualFold(name, transferEncoding)
	}
	return nil
}

var (
	contentLength    = []byte(fasthttp.HeaderContentLength)
	transferEncoding = []byte(fasthttp.HeaderTransferEncoding)
)

// validHost checks the characters of a Host field (RFC 9110, 7.2): a name, an
// address or one in brackets, and perhaps a port.
func validHost(host []byte) bool {
	for _, c := range host {
		if c <= ' ' || c >= 0x7f {
			return false
		}
		switch c {
		case '"', '#', '/', '<', '>', '?', '@', '\\', '^', '`', '{', '|', '}':
			return false
		}
	}
	return true
}

// HasControl reports whether a value has a byte that no header may have.
func HasControl(value []byte) bool {
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return true
		}
	}
	return false
}

// unexpected is the error of a stream that ended within a request.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
