package process

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// pipe connects simplane and a function. Simplane's end is non-blocking, so
// that it takes deadlines and closing it wakes its reader; the function's is an
// ordinary blocking one.
type pipe struct {
	ours, theirs *os.File
}

// direction says which end of a pipe the function has.
type direction int

const (
	toFunction   direction = 0 // it reads
	fromFunction direction = 1 // it writes
)

// newPipe makes a pipe for a function of a user, who may open it by name
// (/dev/stdout) too.
func newPipe(d direction, user Identity) (pipe, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return pipe{}, os.NewSyscallError("pipe2", err)
	}
	if err := unix.SetNonblock(fds[1-d], true); err != nil {
		return pipe{}, errors.Join(os.NewSyscallError("fcntl", err), unix.Close(fds[0]), unix.Close(fds[1]))
	}
	if user.other {
		if err := unix.Fchown(fds[d], int(user.uid), int(user.gid)); err != nil {
			return pipe{}, errors.Join(os.NewSyscallError("fchown", err), unix.Close(fds[0]), unix.Close(fds[1]))
		}
	}
	return pipe{theirs: os.NewFile(uintptr(fds[d]), "pipe"), ours: os.NewFile(uintptr(fds[1-d]), "pipe")}, nil
}

func (p pipe) close() {
	p.ours.Close()
	p.theirs.Close()
}

// pipes are the streams of one process.
type pipes struct {
	spares       *spares
	ours, theirs []*os.File
}

// in makes a pipe the function reads.
func (p *pipes) in() (theirs, ours *os.File, err error) { return p.get(toFunction) }

// out makes a pipe the function writes.
func (p *pipes) out() (ours, theirs *os.File, err error) {
	theirs, ours, err = p.get(fromFunction)
	return ours, theirs, err
}

func (p *pipes) get(d direction) (theirs, ours *os.File, err error) {
	got, err := p.spares.take(d)
	if err != nil {
		return nil, nil, err
	}
	p.theirs, p.ours = append(p.theirs, got.theirs), append(p.ours, got.ours)
	return got.theirs, got.ours, nil
}

// null is an empty standard input.
func (p *pipes) null() (*os.File, error) {
	f, err := os.Open(os.DevNull)
	if err == nil {
		p.theirs = append(p.theirs, f)
	}
	return f, err
}

func (p *pipes) closeTheirs() {
	for _, f := range p.theirs {
		f.Close()
	}
}

func (p *pipes) closeOurs() {
	for _, f := range p.ours {
		f.Close()
	}
}
