package http1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
)

// body reads what follows a head: so many bytes, or chunks.
type body struct {
	in      *bufio.Reader
	left    int // bytes of the body, or of the chunk
	chunked bool
	begun   bool // a chunk was begun
	ended   bool
}

// bodyOf returns the one that a head announces. length is as
// RequestHeader.ContentLength has it.
func bodyOf(in *bufio.Reader, length int) body {
	return body{in: in, left: max(length, 0), chunked: length == -1, ended: length == 0 || length < -1}
}

// Chunks reads a body in chunks (RFC 9112, 7.1), each part as soon as it has come.
// Trailers are dropped.
type Chunks struct{ b body }

// NewChunks reads one from a stream, and nothing behind it.
func NewChunks(in *bufio.Reader) *Chunks { return &Chunks{bodyOf(in, -1)} }

// Read implements io.Reader. An end of the stream before the body's is
// io.ErrUnexpectedEOF.
func (c *Chunks) Read(p []byte) (int, error) {
	if err := c.b.next(); err != nil {
		return 0, err
	}
	return c.b.read(p)
}

// Ready reports whether Read would return without waiting.
func (c *Chunks) Ready() bool {
	rest, _ := c.b.in.Peek(c.b.in.Buffered())
	if c.b.ended || c.b.left > 0 {
		return c.b.ended || len(rest) > 0
	}
	if c.b.begun {
		rest = bytes.TrimPrefix(rest, lineEnd)
	}
	size, behind, whole := bytes.Cut(rest, lineEnd)
	if last := len(bytes.TrimLeft(size, "0")) == 0 || size[0] == '0'; last {
		return whole && bytes.Contains(behind, lineEnd)
	}
	return whole && len(behind) > 0
}

// next makes left what is to be read next. The error is io.EOF at the body's
// end, and io.ErrUnexpectedEOF at an end of the stream before it.
func (b *body) next() error {
	if !b.ended && b.left == 0 {
		if err := b.nextChunk(); err != nil {
			return unexpected(err)
		}
	}
	if b.ended {
		return io.EOF
	}
	return nil
}

// read reads some of what is left, after next.
func (b *body) read(p []byte) (int, error) {
	n, err := b.in.Read(p[:min(len(p), b.left)])
	b.left -= n
	b.ended = !b.chunked && b.left == 0
	if n > 0 {
		return n, nil
	}
	return 0, unexpected(err)
}

// nextChunk reads the end of one chunk and the beginning of the next
// (RFC 9112, 7.1). The last one ends the body; trailers are dropped, as 7.1.2
// allows.
func (b *body) nextChunk() error {
	if b.begun {
		if line, err := b.line(); err != nil || len(line) > 0 {
			return orMalformed(err, "a chunk is longer than it says")
		}
	}
	b.begun = true
	line, err := b.line()
	if err != nil {
		return err
	}
	if b.left, err = chunkSize(line); err != nil || b.left > 0 {
		return err
	}
	b.ended = true
	for range MaxHeaders {
		if line, err = b.line(); err != nil || len(line) == 0 {
			return err
		}
	}
	return ErrTooManyHeaders
}

// line reads one line, without its CR LF.
func (b *body) line() ([]byte, error) {
	line, err := b.in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, Malformed("a line between two chunks is too long")
	case err != nil:
		return nil, err
	case len(line) < 2 || line[len(line)-2] != '\r':
		return nil, Malformed("a line between two chunks ends in LF alone")
	}
	return line[:len(line)-2], nil
}

// chunkSize reads the line before a chunk: hexadecimal digits, and extensions,
// which are ignored.
func chunkSize(line []byte) (int, error) {
	digits := 0
	for digits < len(line) && isHex(line[digits]) {
		digits++
	}
	rest := line[digits:]
	for len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t') {
		rest = rest[1:]
	}
	if digits == 0 || len(rest) > 0 && rest[0] != ';' {
		return 0, Malformed("the size of a chunk is no hexadecimal number")
	}
	if HasControl(rest) {
		return 0, Malformed("there is a control character after the size of a chunk")
	}
	size, err := strconv.ParseInt(string(line[:digits]), 16, 32)
	if err != nil {
		return 0, Malformed("the size of a chunk is too large a number")
	}
	return int(size), nil
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

func orMalformed(err error, what string) error {
	if err == nil {
		err = Malformed(what)
	}
	return err
}

// skip drops at most n bytes of what is left, after next: what has come of
// them, and it waits for one.
func (b *body) skip(n int) (int, error) {
	if _, err := b.in.Peek(1); err != nil {
		return 0, unexpected(err)
	}
	n, err := b.in.Discard(min(n, b.left, b.in.Buffered()))
	b.left -= n
	b.ended = !b.chunked && b.left == 0
	return n, err
}
