package process

import (
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// stream is simplane's end of a pipe that a function writes. It usually ends
// when the function does, but a process that the function left behind may keep
// the pipe open for ever. Then finish gives it an end, behind everything that
// is in the pipe by then: what a function wrote before it exited is read,
// however late its reader comes to it.
type stream struct {
	*os.File
	ending bool // the reader's
	rest   int  // bytes up to the end; the reader's
}

// finish lets the stream end at what is in the pipe when the reader has come as
// far as at least that moment. It may be called while another goroutine reads.
func (s *stream) finish() { _ = s.SetReadDeadline(time.Now()) }

// Read implements io.Reader.
func (s *stream) Read(b []byte) (int, error) {
	if !s.ending {
		n, err := s.File.Read(b)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		s.ending = true
		if err := s.control(func(fd int) (err error) {
			s.rest, err = unix.IoctlGetInt(fd, unix.TIOCINQ)
			return err
		}); err != nil {
			return 0, err
		}
	}
	if s.rest == 0 {
		return 0, io.EOF
	}
	n := 0
	err := s.control(func(fd int) (err error) {
		n, err = unix.Read(fd, b[:min(len(b), s.rest)]) // does not wait: the bytes are there
		return err
	})
	if err == nil && n == 0 {
		err = io.EOF
	}
	n = max(n, 0)
	s.rest -= n
	return n, err
}

// control calls f with the file descriptor, which stays open meanwhile.
func (s *stream) control(f func(fd int) error) error {
	raw, err := s.SyscallConn()
	if err != nil {
		return err
	}
	var ferr error
	if err := raw.Control(func(fd uintptr) { ferr = f(int(fd)) }); err != nil {
		return err
	}
	return ferr
}
