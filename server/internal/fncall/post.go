// Package fncall posts JSON messages to one URL with as little work for each as
// HTTP allows. What is the same in all of them is put into bytes once.
// Connections, answers and TLS are fasthttp's.
package fncall

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/server/internal/sock"
)

// Target is where messages go. It may be used by many goroutines at once.
type Target struct {
	conns *fasthttp.HostClient
	head  []byte // request line and constant headers, each with its line end
}

// New makes a target of an absolute URL on the host of conns, whose DialTimeout
// should be a sock.Dialer; its retries are not used. The error
// says what is wrong with the URL.
func New(conns *fasthttp.HostClient, url string) (*Target, error) {
	req := fasthttp.AcquireRequest()
	defer fasthttp.ReleaseRequest(req)
	req.Header.SetMethod(fasthttp.MethodPost)
	req.SetRequestURI(url)
	req.URI().DisablePathNormalizing = conns.DisablePathNormalizing
	req.Header.SetUserAgent(conns.Name)
	req.Header.SetContentType("application/json")
	var text bytes.Buffer
	w := bufio.NewWriter(&text)
	if err := errors.Join(req.Write(w), w.Flush()); err != nil {
		return nil, err
	}
	// What End appends comes last.
	head := bytes.Replace(text.Bytes(), []byte("Content-Length: 0\r\n"), nil, 1)
	return &Target{conns, bytes.TrimSuffix(head, []byte("\r\n"))}, nil
}

// Begin appends the request line and the constant headers to b; the caller's
// headers, End and the body follow.
func (t *Target) Begin(b []byte) []byte { return append(b, t.head...) }

// AppendHeader appends a header to b. Control bytes in the value, which could
// end the line, become spaces.
func AppendHeader[T string | []byte](b []byte, name string, value T) []byte {
	b = append(append(b, name...), ": "...)
	at := len(b)
	b = append(b, value...)
	for i, c := range b[at:] {
		if c < ' ' && c != '\t' || c == 0x7f {
			b[at+i] = ' '
		}
	}
	return append(b, "\r\n"...)
}

// End appends the end of the headers of a message with a body of so many bytes.
func End(b []byte, body int) []byte {
	b = strconv.AppendInt(append(b, "Content-Length: "...), int64(body), 10)
	return append(b, "\r\n\r\n"...)
}

// Post sends a message and reads the answer into resp. It takes no
// longer than timeout if conns' DialTimeout does not; then the error is
// fasthttp.ErrTimeout. A message that may have been sent is not sent again.
func (t *Target) Post(message []byte, resp *fasthttp.Response, timeout time.Duration) error {
	// Without this a missing content type would read as text/plain.
	resp.Header.SetNoDefaultContentType(true)
	deadline := time.Now().Add(timeout)
	for ; timeout > 0; timeout = time.Until(deadline) {
		err := t.attempt(message, resp, timeout, deadline)
		if err == nil || !errors.Is(err, sock.ErrStale) {
			return err
		}
		// Not sent. That connection is closed now, and a new one is not stale,
		// so this ends.
	}
	return fasthttp.ErrTimeout
}

func (t *Target) attempt(message []byte, resp *fasthttp.Response, timeout time.Duration, deadline time.Time) error {
	cc, err := t.conns.AcquireConn(timeout, false)
	if err != nil {
		return err
	}
	conn := cc.Conn()
	reader := t.conns.AcquireReader(conn)
	defer t.conns.ReleaseReader(reader)
	if err = conn.SetDeadline(deadline); err == nil {
		err = sock.Send(conn, message)
	}
	if err == nil {
		_, err = reader.Peek(1) // ReadLimitBody would not say what went wrong
	}
	if err == nil {
		err = resp.ReadLimitBody(reader, t.conns.MaxResponseBodySize)
	}
	// More than the answer was not asked for: the next one would be in doubt.
	if err != nil || resp.ConnectionClose() || reader.Buffered() > 0 {
		t.conns.CloseConn(cc)
	} else {
		t.conns.ReleaseConn(cc)
	}
	switch {
	case err == nil:
		return nil
	case !time.Now().Before(deadline):
		// Not all errors that a deadline causes say so, and one by a timer of
		// the dialler's may come earlier.
		return fasthttp.ErrTimeout
	case err == io.EOF:
		return fasthttp.ErrConnectionClosed
	}
	return err
}
