package guard

import (
	"encoding/binary"
	"errors"
	"io"
)

// inbox takes frames off a stream. It reads what has come, a whole frame as a
// rule, in one system call.
type inbox struct {
	// from reads up to len(b) bytes, and the file descriptors that come with
	// them; 0 bytes are the end.
	from func(b []byte) (n int, fds []int, err error)

	buf []byte // what has been read and not taken yet
	fds []int  // likewise
}

const (
	inboxSize = 16 << 10
	spawnFDs  = 3 // stdin, stdout, stderr
)

func newInbox(from func([]byte) (int, []int, error)) *inbox {
	return &inbox{from: from, buf: make([]byte, 0, inboxSize)}
}

// next waits for a frame and reads it into m. After an error the inbox is of no
// more use.
func (in *inbox) next(m message) error {
	for {
		body, err := in.whole()
		if err != nil {
			return err
		}
		if body != nil {
			err := m.parse(body)
			in.drop(4 + len(body))
			return err
		}
		if err := in.read(); err != nil {
			return err
		}
	}
}

// holds reports whether next would return at once.
func (in *inbox) holds() bool {
	body, err := in.whole()
	return body != nil || err != nil
}

// files returns the file descriptors that came with a spawn request, which the
// caller closes. They arrive in the order of the requests.
func (in *inbox) files() ([]int, error) {
	if len(in.fds) < spawnFDs {
		return nil, errors.New("a request without its files")
	}
	fds := in.fds[:spawnFDs:spawnFDs]
	in.fds = in.fds[spawnFDs:]
	if fds[0] < 0 {
		return nil, errors.New("too many open files in the guard process")
	}
	return fds, nil
}

// whole is the body of the first frame; nil if it has not come completely.
func (in *inbox) whole() ([]byte, error) {
	if len(in.buf) < 4 {
		return nil, nil
	}
	size := binary.BigEndian.Uint32(in.buf)
	if size > maxFrame {
		return nil, errors.New("frame too large")
	}
	if uint32(len(in.buf)-4) < size {
		return nil, nil
	}
	return in.buf[4 : 4+size : 4+size], nil
}

// drop forgets the first n bytes, and a buffer that one large frame needed.
func (in *inbox) drop(n int) {
	rest := in.buf[n:]
	if cap(in.buf) > inboxSize && len(rest) < inboxSize {
		in.buf = make([]byte, 0, inboxSize)
	}
	in.buf = append(in.buf[:0], rest...)
}

func (in *inbox) read() error {
	if len(in.buf) == cap(in.buf) {
		in.buf = append(make([]byte, 0, max(2*cap(in.buf), int(4+binary.BigEndian.Uint32(in.buf)))), in.buf...)
	}
	n, fds, err := in.from(in.buf[len(in.buf):cap(in.buf)])
	in.buf, in.fds = in.buf[:len(in.buf)+n], append(in.fds, fds...)
	if n == 0 && err == nil {
		err = io.EOF
	}
	return err
}
