package http1

import (
	"errors"
	"io"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/server/internal/sock"
)

// dropLimit is how much of a body that nobody has read is dropped for the sake
// of the connection, in bytes.
const dropLimit = 256 << 10

// ReadBody reads a request's body, which the request then has. It is for
// handlers of a Server, once they know that the request is allowed: before that
// no byte of the body is read, and no memory taken for it. What it returns an
// error for is to be answered, as Server.Refuse does; the connection ends. A
// request that is not a Server's has its body already.
//
// A body that fits into the buffer which the head came in stays there, unless
// it is chunked. Others are read into a buffer that grows with what comes, to the
// kernel if not yet to the server. What is above freeBuffer is out of the budget
// while the body is being read.
func ReadBody(ctx *fasthttp.RequestCtx) error {
	x := exchangeOf(ctx)
	if x == nil || x.body.ended {
		return nil
	}
	body, err := x.receive()
	if err != nil {
		x.lost = true
		ctx.Response.Header.SetConnectionClose()
		return unexpected(err)
	}
	ctx.Request.SetBodyRaw(body)
	return nil
}

func (x *exchange) receive() ([]byte, error) {
	length, most := x.body.left, x.conn.s.MaxBodyBytes
	if length > most {
		return nil, ErrBodyTooLarge
	}
	if x.asked && x.in.Buffered() == 0 {
		if x.body.chunked || length > freeBuffer {
			if err := x.conn.s.Bodies.refuse(); err != nil {
				return nil, err
			}
		}
		if err := x.askForBody(); err != nil {
			return nil, err
		}
	}
	if !x.body.chunked {
		b, err := x.in.Peek(min(length, x.in.Size()))
		if err != nil {
			return nil, err
		}
		if len(b) == length {
			x.peeked, x.body.left, x.body.ended = length, 0, true
			return b, nil
		}
		return x.collect(length, most)
	}
	return x.collect(0, most)
}

// WaitsToSend says that the peer waits for 100 Continue, and has sent nothing of the body.
func WaitsToSend(ctx *fasthttp.RequestCtx) bool {
	x := exchangeOf(ctx)
	return x != nil && x.asked && x.in.Buffered() == 0
}

// askForBody sends 100 Continue.
func (x *exchange) askForBody() error {
	if err := x.mayWrite(); err != nil {
		return err
	}
	if _, err := io.WriteString(x.out, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
		return err
	}
	return x.out.Flush()
}

// freeBuffer is how much of a body's buffer, in bytes, is not from the budget.
const freeBuffer = 8 << 10

// growth is the largest ratio of a body's buffer to what has come of it.
const growth = 4

// collect reads a body of most bytes at most into a buffer of its own. It is
// announced to have length bytes; 0 if it is chunked.
func (x *exchange) collect(length, most int) (_ []byte, err error) {
	sh := &share{of: x.conn.s.Bodies, interrupt: x.conn.interrupt}
	defer func() {
		if sh.release() {
			x.conn.resume()
			if errors.Is(err, sock.ErrStopped) {
				err = ErrBusy
			}
		}
	}()
	if length == 0 {
		length = most
	}
	have := 0
	for {
		err := x.body.next()
		switch {
		case err == io.EOF:
			return x.bodyBuffer()[:have], nil
		case err != nil:
			return nil, err
		case have+x.body.left > most:
			return nil, ErrBodyTooLarge
		}
		if have == len(x.bodyBuffer()) {
			if err := x.grow(sh, have, length); err != nil {
				return nil, err
			}
		}
		n, err := x.body.read(x.bodyBuffer()[have:])
		if err != nil {
			return nil, err
		}
		have += n
	}
}

// bodyBuffer is what the body is read into.
func (x *exchange) bodyBuffer() []byte {
	if x.kept == nil {
		return nil
	}
	return *x.kept
}

// grow makes room for more than have bytes, of a body of length at most.
func (x *exchange) grow(sh *share, have, length int) error {
	want := max(growth*(have+x.in.Buffered()), smallBuffer)
	if want < length && !x.body.chunked && x.conn.tcp != nil {
		// What the kernel has of it counts: most bodies then need one buffer, and none
		// is copied from one into the next. Over TLS that is the length of what the body
		// is encrypted in, about as much.
		want += growth * x.conn.tcp.Arrived()
	}
	want = min(want, length)
	if _, capacity := class(want); capacity > freeBuffer {
		if x.deadline.IsZero() {
			x.deadline = time.Now().Add(x.conn.s.ReadTimeout)
		}
		if err := sh.take(int64(capacity)-sh.held, x.deadline); err != nil {
			return err
		}
	}
	larger := getBuffer(want)
	if x.kept != nil {
		copy(*larger, (*x.kept)[:have])
		putBuffer(x.kept)
	}
	x.kept = larger
	return nil
}

// takenShare is the least part of a body's buffer that TakeBody gives away, so
// that what is kept of a body holds little more memory than its length says.
const takenShare = 7. / 8

// TakeBody gives a part of the body that ReadBody has read to the caller: its
// memory is not used again. It reports whether it did; if not, or on a request
// that is not a Server's, whoever keeps the part has to copy it. It gives only
// parts that are nearly all of the memory they would keep, 8/7 of their length
// at most.
func TakeBody(ctx *fasthttp.RequestCtx, part []byte) bool {
	x := exchangeOf(ctx)
	if x == nil || x.kept == nil || float64(len(part)) < takenShare*float64(len(*x.kept)) {
		return false
	}
	x.taken = true
	return true
}

// ReturnBody undoes TakeBody: nobody keeps a part of the body.
func ReturnBody(ctx *fasthttp.RequestCtx) {
	if x := exchangeOf(ctx); x != nil {
		x.taken = false
	}
}

// droppable reports whether the rest of the body may be dropped for the sake of
// the connection. A peer that was not asked for its body may send it or not.
func (x *exchange) droppable() bool {
	return !x.lost && (x.body.ended || x.body.left <= dropLimit && !(x.asked && x.in.Buffered() == 0))
}

// drop reads and forgets the rest of the body. It reports whether that was all.
func (x *exchange) drop() bool {
	for left := dropLimit; left > 0; {
		if err := x.body.next(); err != nil {
			return err == io.EOF
		}
		n, err := x.body.skip(left)
		if err != nil {
			return false
		}
		left -= n
	}
	return x.body.ended
}
