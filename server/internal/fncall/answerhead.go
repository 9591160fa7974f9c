package fncall

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/server/internal/http1"
)

// answerHead is the head of an answer that is passed on: its lines are not taken apart
// further than passing them on needs.
type answerHead struct {
	status    int
	length    int64 // of the body; inChunks or toTheEnd otherwise
	closes    bool  // the connection is of no use after the answer
	coldStart bool
	init      time.Duration

	old      bool // older than HTTP/1.1
	chunked  bool
	measured bool // it has a Content-Length
	keeps    bool // it says so
}

// What answerHead.length is when it is not known.
const (
	inChunks = -1
	toTheEnd = -2 // of the connection
)

var errHeadTooLong = fmt.Errorf("the head of the answer is larger than %d bytes", maxHeader)

// peekHead waits for a whole head, up to the empty line at its end. The error is io.EOF
// when nothing of it came, and errHeadTooLong when it does not fit into r's buffer.
func peekHead(r *bufio.Reader) ([]byte, error) {
	for seen := 0; ; {
		b, _ := r.Peek(r.Buffered())
		switch {
		case len(b) > 0 && (b[0] == '\r' || b[0] == '\n'): // empty lines before it
			_, _ = r.Discard(1)
			continue
		case len(b) > seen:
			from := max(seen-len(headEnd)+1, 0)
			if i := bytes.Index(b[from:], headEnd); i >= 0 {
				return b[:from+i+len(headEnd)], nil
			}
			seen = len(b)
		}
		if len(b) == r.Size() {
			return nil, errHeadTooLong
		}
		if _, err := r.Peek(len(b) + 1); err == io.EOF && len(b) > 0 {
			return nil, io.ErrUnexpectedEOF
		} else if err != nil {
			return nil, err
		}
	}
}

var headEnd = []byte("\r\n\r\n")

// parse reads a head as peekHead returns it, which it may write to, and appends to out
// what is passed on of it: the status line and the header lines as they came, but for
// those that are about the connection, and those that are simplane's, unless it is
// simplane that has answered.
func (h *answerHead) parse(b, out []byte, simplane bool) ([]byte, error) {
	var connection []byte
	lines, appended, err := h.begin(b, out)
	if err == nil {
		appended, err = h.fields(lines, appended, nil, &connection, simplane)
	}
	if err == nil && h.takeConnection(connection) {
		// It names some that may have come before it.
		_, appended, _ = h.begin(b, out)
		appended, err = h.fields(lines, appended, connection, nil, simplane)
		h.takeConnection(connection)
	}
	if err != nil {
		return out, err
	}
	switch bodiless := h.status < 200 || h.status == fasthttp.StatusNoContent || h.status == fasthttp.StatusNotModified; {
	case h.chunked:
		h.length, h.closes = inChunks, h.closes || h.measured
	case !h.measured:
		h.length, h.closes = toTheEnd, h.closes || !bodiless
	}
	h.closes = h.closes || h.old && !h.keeps
	return appended, nil
}

// begin reads the status line, and returns what follows it.
func (h *answerHead) begin(b, out []byte) (lines, appended []byte, err error) {
	*h = answerHead{}
	line, rest := cutLine(b)
	wrong := func() ([]byte, []byte, error) {
		return nil, out, fmt.Errorf("the answer begins with %q, which is no status line", line[:min(len(line), 100)])
	}
	const version = len("HTTP/1.1")
	if len(line) < version+1 || !bytes.HasPrefix(line, []byte("HTTP/")) || !isDigit(line[5]) || line[6] != '.' || !isDigit(line[7]) || line[version] != ' ' {
		return wrong()
	}
	h.old = line[5] < '1' || line[5] == '1' && line[7] == '0'
	code, reason, _ := bytes.Cut(bytes.TrimLeft(line[version:], " "), []byte(" "))
	if len(code) != 3 || !isDigit(code[0]) || !isDigit(code[1]) || !isDigit(code[2]) {
		return wrong()
	}
	h.status = int(code[0]-'0')*100 + int(code[1]-'0')*10 + int(code[2]-'0')
	out = append(append(append(out, "HTTP/1.1 "...), code...), ' ')
	if len(reason) == 0 {
		out = append(out, fasthttp.StatusMessage(h.status)...)
	}
	at := len(out)
	out = append(out, reason...)
	clean(out[at:])
	return rest, append(out, "\r\n"...), nil
}

// fields reads the header lines. named are fields that are not passed on, as
// Connection names them, whose values are appended to connection, unless that is nil.
func (h *answerHead) fields(b, out, named []byte, connection *[]byte, simplane bool) ([]byte, error) {
	h.measured, h.chunked = false, false
	for first := true; ; first = false {
		line, rest := cutLine(b)
		switch {
		case len(line) == 0 && len(rest) == 0:
			return out, nil
		case len(line) == 0:
			return out, errors.New("there is an empty line within the head of the answer")
		case first && isBlank(line[0]):
			return out, errors.New("the first header line of the answer begins with white space")
		case len(rest) > 0 && isBlank(rest[0]): // folded (RFC 9112, 5.2): unfolded, and read again
			unfold := b[len(line) : len(b)-len(rest)]
			for i := range unfold {
				unfold[i] = ' '
			}
			continue
		}
		b = rest
		name, value, ok := bytes.Cut(line, []byte(":"))
		name, value = bytes.TrimRight(name, " \t"), bytes.Trim(value, " \t")
		if !ok || len(name) == 0 {
			return out, fmt.Errorf("the answer has a header line without a name: %q", line[:min(len(line), 100)])
		}
		if !validName(name) {
			if !validName(bytes.ReplaceAll(name, []byte(" "), nil)) {
				return out, fmt.Errorf("the answer has the header name %q, which is none", name[:min(len(name), 100)])
			}
			h.closes = true // some servers send these; who knows what it would be to others
			continue
		}
		if http1.HasControl(value) {
			return out, fmt.Errorf("the answer's header %q has control bytes", name)
		}
		if err := h.take(name, value, connection); err != nil {
			return out, err
		}
		if !HopByHop(name, named) && (simplane || !isName(name, headerExecutionID)) {
			out = append(append(append(append(out, name...), ": "...), value...), "\r\n"...)
		}
	}
}

// take looks at a field that says something about the answer.
func (h *answerHead) take(name, value []byte, connection *[]byte) error {
	switch name[0] | 0x20 {
	case 'c':
		switch {
		case isName(name, headerConnection):
			if connection != nil {
				*connection = append(append(*connection, value...), ',')
			}
		case isName(name, headerContentLength):
			n, err := strconv.ParseUint(string(value), 10, 63)
			if err != nil || h.measured {
				return errors.New("the answer's Content-Length is no number, or there are two")
			}
			h.length, h.measured = int64(n), true // #nosec G115 -- 63 bits
		}
	case 't':
		switch {
		case !isName(name, headerTransferEncoding) || h.old:
		case h.chunked || !bytes.EqualFold(value, []byte("chunked")):
			return fmt.Errorf("the answer's Transfer-Encoding is not chunked alone: %q", value[:min(len(value), 100)])
		default:
			h.chunked = true
		}
	case 'x':
		switch {
		case isName(name, headerColdStart):
			h.coldStart = h.coldStart || bytes.EqualFold(value, []byte("true"))
		case isName(name, headerInitDuration):
			ms, _ := strconv.ParseInt(string(value), 10, 32)
			h.init = time.Duration(max(ms, 0)) * time.Millisecond
		}
	}
	return nil
}

// takeConnection looks at the values of Connection, and reports whether they name other
// fields.
func (h *answerHead) takeConnection(values []byte) (names bool) {
	for len(values) > 0 {
		var token []byte
		token, values, _ = bytes.Cut(values, []byte(","))
		switch token = bytes.Trim(token, " \t"); {
		case bytes.EqualFold(token, []byte("close")):
			h.closes = true
		case bytes.EqualFold(token, []byte("keep-alive")):
			h.keeps = true
		case len(token) > 0:
			names = true
		}
	}
	return names
}

// cutLine cuts b behind its first line, which is returned without its end: LF, or CR LF.
func cutLine(b []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(b, []byte("\n"))
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line, rest
}

func isName(name, want []byte) bool { return len(name) == len(want) && bytes.EqualFold(name, want) }

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
