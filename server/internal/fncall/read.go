package fncall

import (
	"bufio"
	"errors"
	"io"
	"sync"

	"github.com/valyala/fasthttp"
)

// maxHeader bounds the headers of an answer, in bytes. Most fit into the small
// buffer of the connection's reader; only those that do not take one of this
// size.
const maxHeader = 64 << 10

var largeReaders = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, maxHeader) }}

// read reads one answer into resp and says whether there is more behind it.
func read(resp *fasthttp.Response, r *bufio.Reader, limit int) (more bool, err error) {
	resp.ResetBody()
	if _, err := r.Peek(1); err != nil {
		return false, err // fasthttp would not say what went wrong
	}
	small := r
	for {
		err := resp.Header.Read(r)
		switch {
		case err == nil:
		case r == small && tooLong(err):
			// Nothing was taken from r, so a larger buffer can begin anew.
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

// tooLong says whether the headers did not fit into the reader's buffer.
func tooLong(err error) bool {
	var full *fasthttp.ErrSmallBuffer
	return errors.As(err, &full)
}

func readBody(resp *fasthttp.Response, r *bufio.Reader, limit int) error {
	chunked := resp.Header.ContentLength() == -1
	if err := resp.ReadBody(r, limit); err != nil || !chunked {
		return err
	}
	err := resp.Header.ReadTrailer(r)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}
