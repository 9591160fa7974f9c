package process

import (
	"os"

	"golang.org/x/sys/unix"
)

// pipes are the pipes of one process. Simplane's ends are non-blocking, so
// that they take deadlines and closing one wakes its reader; the function's
// are ordinary blocking ones.
type pipes struct {
	ours, theirs []*os.File
}

// in makes a pipe the function reads.
func (p *pipes) in() (theirs, ours *os.File, err error) { return p.make(0) }

// out makes a pipe the function writes.
func (p *pipes) out() (ours, theirs *os.File, err error) {
	theirs, ours, err = p.make(1)
	return ours, theirs, err
}

// make opens a pipe and gives the function the given end, 0 to read, 1 to write.
func (p *pipes) make(end int) (theirs, ours *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	if err := unix.SetNonblock(fds[1-end], true); err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return nil, nil, os.NewSyscallError("fcntl", err)
	}
	theirs, ours = os.NewFile(uintptr(fds[end]), "pipe"), os.NewFile(uintptr(fds[1-end]), "pipe")
	p.theirs, p.ours = append(p.theirs, theirs), append(p.ours, ours)
	return theirs, ours, nil
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
