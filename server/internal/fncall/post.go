package fncall

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/valyala/bytebufferpool"
	"github.com/valyala/fasthttp"

	"simplane/server/internal/sock"
)

// Target is the URL of a function that speaks HTTP. The constant part of its
// requests is encoded once; connections, responses and TLS are fasthttp's. It
// may be used by many goroutines at once.
type Target struct {
	conns *fasthttp.HostClient
	head  []byte // request line and constant headers, each with its line end
	path  int    // where the path of the URL ends in head
	raw   rawHead
}

// rawHead is what head has behind the path, for calls that are passed on.
type rawHead struct {
	query      []byte // with its question mark; empty for none
	rest       []byte // without User-Agent, which is the caller's
	authorized bool   // it has credentials
}

// Header is one line of a request's head.
type Header struct{ Name, Value string }

// New makes a target of an absolute URL on the host of conns, whose DialTimeout
// should be a sock.Dialer; its retries are not used. Every request has the
// headers. The error says what is wrong with the URL.
func New(conns *fasthttp.HostClient, url string, headers ...Header) (*Target, error) {
	scheme, _, absolute := strings.Cut(url, "://")
	if !absolute || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return nil, fmt.Errorf("%q is not an absolute http or https URL", Snippet([]byte(url)))
	}
	req := fasthttp.AcquireRequest()
	defer fasthttp.ReleaseRequest(req)
	req.Header.SetMethod(fasthttp.MethodPost)
	req.SetRequestURI(escaped(url))
	req.URI().DisablePathNormalizing = conns.DisablePathNormalizing
	req.Header.SetUserAgent(conns.Name)
	req.Header.SetNoDefaultContentType(true) // it is the request's
	for _, h := range headers {
		req.Header.Set(h.Name, h.Value)
	}
	var text bytes.Buffer
	w := bufio.NewWriter(&text)
	if err := errors.Join(req.Write(w), w.Flush()); err != nil {
		return nil, err
	}
	// What appendEnd appends comes last.
	head := bytes.Replace(text.Bytes(), []byte("Content-Length: 0\r\n"), nil, 1)
	head = bytes.TrimSuffix(head, []byte("\r\n"))
	const before = "POST "
	path := len(before) + bytes.IndexAny(head[len(before):], "? ")
	t := &Target{conns: conns, head: head, path: path}
	space := path + bytes.IndexByte(head[path:], ' ')
	t.raw.query = head[path:space]
	for line := range bytes.Lines(head[space:]) {
		name, _, _ := bytes.Cut(line, []byte(":"))
		if !bytes.EqualFold(name, []byte("User-Agent")) {
			t.raw.rest = append(t.raw.rest, line...)
		}
		t.raw.authorized = t.raw.authorized || bytes.EqualFold(name, []byte("Authorization"))
	}
	return t, nil
}

// Over makes a target of the host of conns for calls whose Raw has a Head, and no others.
func Over(conns *fasthttp.HostClient) *Target { return &Target{conns: conns} }

// escaped is url with percent-encoding of the bytes after its host that a
// request line cannot have: spaces, control bytes and non-ASCII.
func escaped(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	path := strings.IndexAny(rest, "/?#")
	if path < 0 {
		return url
	}
	path += len(url) - len(rest)
	var b strings.Builder
	b.WriteString(url[:path])
	for _, c := range []byte(url[path:]) {
		if c <= ' ' || c >= 0x7f {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Call makes one call and returns by the request's deadline, provided that
// conns' DialTimeout respects its timeout. The error is an *Error. A request
// that may have been sent is not sent again.
func (t *Target) Call(r *Request) (Answer, error) {
	message, resp := bytebufferpool.Get(), fasthttp.AcquireResponse()
	defer bytebufferpool.Put(message)
	defer fasthttp.ReleaseResponse(resp)
	var large []byte
	var cut int
	message.B, large, cut = t.appendRequest(message.B, r)
	parts := [][]byte{message.B}
	if large != nil {
		parts = [][]byte{message.B[:cut], large, message.B[cut:]}
	}
	err := Exchange(t.conns, parts, resp, time.Until(r.Deadline), r.Stop)
	switch {
	case err == nil:
		return decode(resp, t.conns.MaxResponseBodySize, r.RawBody)
	case err == fasthttp.ErrTimeout:
		return Answer{}, &Error{Kind: TimedOut, Message: "the function did not answer within its deadline"}
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return Answer{Status: resp.StatusCode()}, tooLarge(t.conns.MaxResponseBodySize)
	}
	return Answer{}, &Error{Kind: Unreachable, Message: Snippet([]byte(err.Error()))}
}

// NotSentError says that a message was not sent, not even a part of it.
type NotSentError struct{ Err error }

func (e *NotSentError) Error() string { return e.Err.Error() }

// Unwrap is for errors.Is.
func (e *NotSentError) Unwrap() error { return e.Err }

// Exchange sends a message, which is a whole request in parts, on a connection of
// conns, and reads the answer into resp. It takes no longer than timeout, provided
// that conns' DialTimeout does not; after that the error is fasthttp.ErrTimeout. A
// message that may have been sent is not sent again. The error is or wraps a
// *NotSentError when it was not sent for want of a connection.
func Exchange(conns *fasthttp.HostClient, message [][]byte, resp *fasthttp.Response, timeout time.Duration, stop *sock.Stop) error {
	// Without this a missing content type would read as text/plain.
	resp.Header.SetNoDefaultContentType(true)
	deadline := time.Now().Add(timeout)
	for ; timeout > 0; timeout = time.Until(deadline) {
		err := attempt(conns, message, resp, timeout, deadline, stop)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, sock.ErrStale):
			// Not sent. That connection is closed now, and a new one is not
			// stale, so this ends.
			continue
		case err == io.EOF:
			err = fasthttp.ErrConnectionClosed
		}
		if time.Now().Before(deadline) {
			return err
		}
		// Not all errors that a deadline causes are timeouts: a dial may have
		// used up the time, or the connection may have ended within the
		// answer.
	}
	return fasthttp.ErrTimeout
}

func attempt(conns *fasthttp.HostClient, message [][]byte, resp *fasthttp.Response, timeout time.Duration, deadline time.Time, stop *sock.Stop) error {
	cc, err := conns.AcquireConn(timeout, false)
	if err != nil {
		return &NotSentError{err}
	}
	conn := cc.Conn()
	reader := conns.AcquireReader(conn)
	defer conns.ReleaseReader(reader)
	if err = conn.SetDeadline(deadline); err == nil {
		err = stop.Begin(conn)
	}
	if err == nil {
		err = sock.Ask(conn, message...)
	}
	more := false
	if err == nil {
		_ = stop.Sent(true)
		more, err = read(resp, reader, conns.MaxResponseBodySize)
	}
	left := stop.Sent(false)
	if stopped := stop.End(); stopped != nil {
		err = stopped
	}
	// Bytes after the answer were not requested and would be read as the next
	// answer.
	if err != nil || more || resp.ConnectionClose() || left != nil {
		conns.CloseConn(cc)
	} else {
		conns.ReleaseConn(cc)
	}
	return err
}
