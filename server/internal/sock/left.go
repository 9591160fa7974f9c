package sock

import (
	"sync"

	"golang.org/x/sys/unix"
)

// HasLeft reports whether the peer has closed its side of the connection, or
// reset it, whatever of what it has sent is still unread (over TLS, its closing
// message is). A peer that only says that it will send nothing more cannot be
// told from one that has gone. HasLeft returns at once, changes nothing, and may
// be called from any goroutine, also when c is closed: then it reports true.
func (c *Conn) HasLeft() bool {
	if c.raw == nil {
		return false
	}
	if c.inMemory != nil {
		return c.inMemory.PeerLeft()
	}
	l := looks.Get().(*look)
	defer looks.Put(l)
	return c.raw.Control(l.poll) != nil || l.left
}

// look is one poll without waiting.
type look struct {
	poll func(fd uintptr) // made once because each closure is an allocation
	left bool
}

var looks = sync.Pool{New: func() any {
	l := &look{}
	l.poll = func(fd uintptr) {
		at := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(at[:], 0)
		l.left = err == nil && n > 0
	}
	return l
}}
