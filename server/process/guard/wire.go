package guard

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
)

// The socket carries JSON frames, each after its length in four bytes. A
// frame's file descriptors travel with its first byte.

const maxFrame = 4 << 20

const (
	opSpawn     = "spawn"
	opTerminate = "terminate" // SIGTERM to the process group
	opKill      = "kill"      // SIGKILL to the process group and strays
)

type request struct {
	Op    string
	ID    string
	Spawn *Command `json:",omitempty"` // with the fds of stdin, stdout, stderr
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
	PID    int    `json:",omitempty"`
	Error  string `json:",omitempty"`
	Status int    `json:",omitempty"` // a wait status
	CPU    int64  `json:",omitempty"` // ns it used, with the children it waited for
}

func encode(v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if len(body) > maxFrame {
		return nil, fmt.Errorf("frame of %d bytes, at most %d are allowed", len(body), maxFrame)
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...), nil
}

func send(c *net.UnixConn, v any, fds ...int) error {
	frame, err := encode(v)
	if err != nil {
		return err
	}
	if len(fds) == 0 {
		_, err = c.Write(frame)
		return err
	}
	n, _, err := c.WriteMsgUnix(frame[:4], syscall.UnixRights(fds...), nil)
	if err == nil && n != 4 {
		err = io.ErrShortWrite
	}
	if err != nil {
		return err
	}
	_, err = c.Write(frame[4:])
	return err
}

// receive reads one frame into v and returns the file descriptors that came
// with it, which the caller closes.
func receive(c *net.UnixConn, v any) (fds []int, err error) {
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
	return fds, json.Unmarshal(body, v)
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
