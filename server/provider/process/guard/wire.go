package guard

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// Requests go to the guard over a socket, which can carry file descriptors, and
// events come back through a pipe; one socket for both would wake the owner
// whenever the guard has read something, just when it has to start a process.
// Both carry frames, each after its length in four bytes; see codec.go for what
// is in one. A frame's file descriptors travel with its first byte.

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

// socket is an end of the socket for requests, in blocking mode.
type socket int

// send sends a frame with file descriptors or none, all in one if it is not too
// large, so that the reader wakes once.
func (s socket) send(m message, fds ...int) error {
	frame, err := encode(m)
	if err != nil {
		return err
	}
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	for len(frame) > 0 {
		n, err := unix.SendmsgN(int(s), frame, oob, nil, unix.MSG_NOSIGNAL)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		frame, oob = frame[n:], nil
	}
	return nil
}

// receive is for an inbox. File descriptors that could not be taken over are -1,
// all of a request's.
func (s socket) receive(b []byte) (n int, fds []int, err error) {
	oob := make([]byte, unix.CmsgSpace(spawnFDs*4))
	for {
		n, oobn, flags, _, err := unix.Recvmsg(int(s), b, oob, unix.MSG_CMSG_CLOEXEC)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0, nil, err
		}
		fds, err := rights(oob[:oobn])
		if flags&unix.MSG_CTRUNC != 0 { // some could not be opened here
			closeAll(fds)
			fds = []int{-1, -1, -1}
		}
		return n, fds, err
	}
}

func rights(oob []byte) (fds []int, err error) {
	if len(oob) == 0 {
		return nil, nil
	}
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	for _, m := range msgs {
		got, err := unix.ParseUnixRights(&m)
		if err != nil {
			return fds, err
		}
		fds = append(fds, got...)
	}
	return fds, nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}
