package fncall

import (
	"bufio"
	"errors"
	"io"
	"sync"

	"github.com/valyala/fasthttp"
)

// maxHeader bounds the headers of an answer, in bytes. Most fit into the
// small buffer of the connection's reader; a buffer of this size is used only
// for those that do not.
const maxHeader = 64 << 10

var largeReaders = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, maxHeader) }}

// read reads one answer into resp and reports whether more bytes follow it.
func read(resp *fasthttp.Response, small *bufio.Reader, limit int) (more bool, err error) {
	resp.ResetBody()
	r, err := readHead(&resp.Header, small, 0)
	defer giveBack(r, small)
	if err != nil {
		return false, err
	}
	if code := resp.StatusCode(); code >= 200 && code != fasthttp.StatusNoContent && code != fasthttp.StatusNotModified {
		err = readBody(resp, r, limit)
	}
	return small.Buffered() > 0 || r.Buffered() > 0, err
}

// readHead reads the head of one answer, the interim ones before it included, or up to
// one of those with this status; 0 = none. What follows it is in r, which is to be given
// back.
func readHead(h *fasthttp.ResponseHeader, small *bufio.Reader, interim int) (r *bufio.Reader, err error) {
	r = small
	if _, err := r.Peek(1); err != nil {
		return r, err // fasthttp would hide this error
	}
	for {
		err := h.Read(r)
		switch {
		case err == nil:
		case r == small && tooLong(err):
			// Nothing was consumed from r, so reading can start again with a
			// larger buffer.
			r = largeReaders.Get().(*bufio.Reader)
			r.Reset(small)
			continue
		case tooLong(err):
			return r, errHeadTooLong
		default:
			return r, err
		}
		if code := h.StatusCode(); code >= 200 || code == fasthttp.StatusSwitchingProtocols || code == interim {
			return r, nil
		}
	}
}

// giveBack takes the reader of readHead that is not the connection's own.
func giveBack(r, small *bufio.Reader) {
	if r != small {
		r.Reset(nil)
		largeReaders.Put(r)
	}
}

// tooLong reports whether the headers did not fit into the reader's buffer.
func tooLong(err error) bool {
	var full *fasthttp.ErrSmallBuffer
	return errors.As(err, &full)
}

// largeBody is the least length in bytes of a body that is read into a buffer of
// its own of that length, so that it can be kept where it is.
const largeBody = 8 << 10

func readBody(resp *fasthttp.Response, r *bufio.Reader, limit int) error {
	length := resp.Header.ContentLength()
	if length >= largeBody && length <= limit {
		resp.SwapBody(make([]byte, 0, length))
	}
	chunked := length == -1
	if err := resp.ReadBody(r, limit); err != nil || !chunked {
		return err
	}
	err := resp.Header.ReadTrailer(r)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}
