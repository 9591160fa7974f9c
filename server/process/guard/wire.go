package guard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// The socket carries frames, each after its length in four bytes; see codec.go
// for what is in one. A frame's file descriptors travel with its first byte.

const maxFrame = 4 << 20

const (
	opSpawn     = "spawn"
	opTerminate = "terminate" // SIGTERM to the process group
	opKill      = "kill"      // SIGKILL to the process group and strays
)

type request struct {
	Op    string
	ID    string
	Spawn *Command // with the fds of stdin, stdout, stderr; nil unless Op is opSpawn
}

const (
	evReady   = "ready" // the guard is up
	evStarted = "started"
	evFailed  = "failed"
	evExited  = "exited"
)

type event struct {
	Event  string
	ID     string
	PID    int
	Error  string
	Status int   // a wait status
	CPU    int64 // ns it used, with the children it waited for
}

func encode(m message) ([]byte, error) {
	frame := m.append(make([]byte, 4, 1024))
	size := len(frame) - 4
	if size > maxFrame {
		return nil, fmt.Errorf("frame of %d bytes, at most %d are allowed", size, maxFrame)
	}
	binary.BigEndian.PutUint32(frame, uint32(size))
	return frame, nil
}

func send(w io.Writer, v message) error {
	frame, err := encode(v)
	if err == nil {
		_, err = w.Write(frame)
	}
	return err
}

// sendFiles sends a frame with file descriptors, all in one if it is not too
// large, so that the reader wakes once.
func sendFiles(c *net.UnixConn, v message, fds []int) error {
	frame, err := encode(v)
	if err != nil {
		return err
	}
	n, _, err := c.WriteMsgUnix(frame, syscall.UnixRights(fds...), nil)
	if err == nil && n < len(frame) {
		_, err = c.Write(frame[n:])
	}
	return err
}

// receiver is what frames with file descriptors come from.
type receiver interface {
	io.Reader
	ReadMsgUnix(b, oob []byte) (n, oobn, flags int, addr *net.UnixAddr, err error)
}

// receive reads one frame into m and returns the file descriptors that came
// with it, which the caller closes.
func receive(c receiver, m message) (fds []int, err error) {
	defer func() {
		if err != nil {
			closeAll(fds)
			fds = nil
		}
	}()
	var head [4]byte
	oob := make([]byte, syscall.CmsgSpace(3*4))
	for got := 0; got < len(head); {
		n, oobn, _, _, err := c.ReadMsgUnix(head[got:], oob)
		if err != nil {
			return fds, err
		}
		if n == 0 {
			return fds, io.EOF
		}
		got += n
		more, err := rights(oob[:oobn])
		fds = append(fds, more...)
		if err != nil {
			return fds, err
		}
	}
	size := binary.BigEndian.Uint32(head[:])
	if size > maxFrame {
		return fds, errors.New("frame too large")
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(c, body); err != nil {
		return fds, err
	}
	return fds, m.parse(body)
}

// socket is the guard's end, a descriptor in blocking mode that its one thread
// waits on. (The owner's is a net.UnixConn, which many goroutines share.)
type socket int

func (s socket) Read(b []byte) (int, error) {
	n, _, _, _, err := s.ReadMsgUnix(b, nil)
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

func (s socket) ReadMsgUnix(b, oob []byte) (n, oobn, flags int, addr *net.UnixAddr, err error) {
	for {
		n, oobn, flags, _, err = unix.Recvmsg(int(s), b, oob, unix.MSG_CMSG_CLOEXEC)
		if err != unix.EINTR {
			return max(n, 0), oobn, flags, nil, err
		}
	}
}

func (s socket) Write(b []byte) (sent int, err error) {
	for sent < len(b) {
		n, err := unix.SendmsgN(int(s), b[sent:], nil, nil, unix.MSG_NOSIGNAL)
		if err != nil && err != unix.EINTR {
			return sent, err
		}
		sent += max(n, 0)
	}
	return sent, nil
}

func rights(oob []byte) (fds []int, err error) {
	if len(oob) == 0 {
		return nil, nil
	}
	msgs, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	for _, m := range msgs {
		got, err := syscall.ParseUnixRights(&m)
		if err != nil {
			return fds, err
		}
		fds = append(fds, got...)
	}
	return fds, nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = syscall.Close(fd)
	}
}
