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
func read(resp *fasthttp.Response, r *bufio.Reader, limit int) (more bool, err error) {
	resp.ResetBody()
	if _, err := r.Peek(1); err != nil {
		return false, err // fasthttp would hide this error
	}
	small := r
	for {
		err := resp.Header.Read(r)
		switch {
		case err == nil:
		case r == small && tooLong(err):
			// Nothing was consumed from r, so reading can start again with a
			// larger buffer.
			r = largeReaders.Get().(*bufio.Reader)
			r.Reset(small)
			defer func(large *bufio.Reader) {
				large.Reset(nil)
				largeReaders.Put(large)
			}(r)
			continue
		default:
			return false, err
		}
		if code := resp.StatusCode(); code >= 200 || code == fasthttp.StatusSwitchingProtocols {
			break
		}
	}
	if code := resp.StatusCode(); code >= 200 && code != fasthttp.StatusNoContent && code != fasthttp.StatusNotModified {
		err = readBody(resp, r, limit)
	}
	return small.Buffered() > 0 || r.Buffered() > 0, err
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
