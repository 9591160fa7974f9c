package peer

import (
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/server/internal/api"
	"simplane/server/internal/fncall"
	"simplane/server/internal/http1"
	"simplane/server/internal/httpjson"
	"simplane/server/internal/sock"
)

// streamed is a request that is passed on as it comes, with its answer: neither is held
// whole. It implements fncall.Caller.
type streamed struct {
	*http1.Stream
	head []byte
	from *sock.Conn // of the caller; nil = the owner is not told when it leaves
	// A body that has come with its head is held, and can be sent to one member after
	// another; nil = it has not, and is read once the owner asks for it.
	held  []byte
	next  int  // of held
	spent bool // some of a body that is not held was read
}

// newStreamed begins to pass a request on. The error says why its body could not be
// read.
func newStreamed(ctx *fasthttp.RequestCtx, c *Client, longest time.Duration) (*streamed, error) {
	s := &streamed{Stream: http1.StreamOf(ctx, time.Now().Add(longest)), from: c.callersConn(ctx)}
	if s.Stream == nil {
		return nil, errors.New("the request did not come on a connection")
	}
	h := &ctx.Request.Header
	s.head = append(append(append(append(s.head, h.Method()...), ' '), h.RequestURI()...), " HTTP/1.1\r\n"...)
	s.head, _ = api.AppendOnward(s.head, ctx, notOnward)
	s.head = fncall.AppendField(s.head, []byte(HeaderForwarded), []byte(c.o.Name))
	if s.Stream.Arrived() {
		s.held = make([]byte, s.Stream.Length())
		if _, err := io.ReadFull(s.Stream, s.held); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// notOnward are the header fields of a request that another member does not get.
var notOnward = fncall.FieldNames(fasthttp.HeaderExpect, HeaderForwarded)

// Length implements fncall.Caller.
func (s *streamed) Length() int {
	if s.held != nil {
		return len(s.held)
	}
	return s.Stream.Length()
}

// Ready implements fncall.Caller.
func (s *streamed) Ready() bool { return s.held != nil || s.Stream.Ready() }

// Ask implements fncall.Caller.
func (s *streamed) Ask() error {
	if s.held != nil {
		return nil
	}
	return s.Stream.Ask()
}

// Read implements fncall.Caller.
func (s *streamed) Read(p []byte) (int, error) {
	if s.held == nil {
		s.spent = true
		return s.Stream.Read(p)
	}
	n := copy(p, s.held[s.next:])
	if s.next += n; n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Left implements fncall.Caller.
func (s *streamed) Left() bool { return s.from != nil && s.from.HasLeft() }

// errNotOwner says that the member does not own the partition.
var errNotOwner = errors.New("the member is not the owner")

// Begin implements fncall.Caller. Whatever a function has answered has the id of its
// execution: it cannot say for a member that that is not the owner.
func (s *streamed) Begin(status int, head []byte, length int64) error {
	if status == fasthttp.StatusMisdirectedRequest && !bytes.Contains(head, executionID) {
		return errNotOwner
	}
	return s.Stream.Begin(status, head, nil, length)
}

var executionID = []byte(httpjson.HeaderExecutionID + ": ")

// Stream sends a request to the member at addr, and passes its answer on as it comes.
// The error is errNotOwner, or is or wraps ErrUnreachable or ErrBroken, or is the
// caller's, who left or did not send its request. Once the answer has begun there is
// no other.
func (c *Client) Stream(s *streamed, method, addr string, longest time.Duration) error {
	m, stop := c.begin(addr, s.from)
	defer m.end(stop)
	s.next = 0
	raw := fncall.Raw{Method: method, Head: s.head, Expect: s.held == nil, Caller: s}
	_, err := m.raw.Pass(&fncall.Request{Deadline: time.Now().Add(longest), Stop: stop, Raw: &raw})
	var failed *fncall.Error
	switch {
	case err == nil, errors.As(err, &failed) && failed.Kind == fncall.Refused:
		return nil
	case raw.CallerError != nil && !errors.Is(raw.CallerError, sock.ErrStopped):
		return raw.CallerError
	case !raw.Sent:
		return errors.Join(ErrUnreachable, err)
	}
	return errors.Join(ErrBroken, err)
}
