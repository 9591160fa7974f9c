package process

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"simplane/server/provider/process/guard"
	"simplane/server/provider/process/proctree"
	"simplane/server/provider/process/sockdiag"
)

// listener is the port that one HTTP instance is to listen on. Any user of the
// machine may listen on a free port, before the function does or once it has
// ended, and would get its calls. So the socket that gets the connections must
// be open in a process of the instance.
//
// That is looked up in /proc once for each socket, which is known by its
// cookie afterwards: the kernel gives none twice. A connection is used if the
// socket that listens after it was made was known before: such a socket has
// been listening all the time between.
type listener struct {
	port   int
	id     string // of the instance
	leader int    // pid of its first process
	guard  int    // pid of that one's parent
	user   uint32 // that the function runs as

	mu  sync.Mutex
	own []uint64 // cookies of the instance's sockets; replaced, never changed
}

// maxOwnSockets bounds what is remembered of an instance that opens one
// listening socket after another.
const maxOwnSockets = 64

// errForeign says that somebody else listens on an instance's port.
type errForeign struct {
	port int
	user uint32
}

func (e *errForeign) Error() string {
	return fmt.Sprintf("port %d is held by a process of user %d that is not the function's; nothing was sent to it", e.port, e.user)
}

// dial connects to the instance with connect, and to nobody else. What connect
// returns without an error is closed if it is not the instance's.
func (l *listener) dial(connect func() (net.Conn, error)) (net.Conn, error) {
	if !sockdiag.Supported() {
		return connect() // the provider has said so
	}
	for range 3 {
		before := l.known()
		if len(before) > 0 {
			conn, err := connect()
			if err != nil {
				return nil, err
			}
			now, err := l.look()
			if err == nil && slices.Contains(before, now) {
				return conn, nil
			}
			conn.Close()
			if err != nil {
				return nil, err
			}
		} else if _, err := l.look(); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("another socket of the function listens on port %d at each look", l.port)
}

func (l *listener) known() []uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.own
}

// look returns the cookie of the socket that listens. The error is sockdiag's,
// or an *errForeign.
func (l *listener) look() (uint64, error) {
	found, err := sockdiag.Loopback(l.port)
	if err != nil {
		return 0, err
	}
	if slices.Contains(l.known(), found.Cookie) {
		return found.Cookie, nil
	}
	if !l.owns(found) {
		return 0, &errForeign{l.port, found.UID}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.own = append(l.own[max(0, len(l.own)-maxOwnSockets+1):len(l.own):len(l.own)], found.Cookie)
	return found.Cookie, nil
}

// owns reports whether a process of the instance has the socket open. Where the
// kernel does not tell (the function made its own files unreadable, say) the
// user that made the socket has to do.
func (l *listener) owns(s sockdiag.Listener) bool {
	has, hidden := false, !proctree.Listed()
	visit := func(pid int) bool {
		if has {
			return false
		}
		found, err := proctree.HasSocket(pid, s.Inode)
		has = has || found
		hidden = hidden || errors.Is(err, os.ErrPermission)
		return true
	}
	proctree.Walk(l.leader, visit)
	if !has {
		for _, pid := range proctree.MainChildren(l.guard) {
			if pid != l.leader && guard.InstanceOf(pid) == l.id {
				proctree.Walk(pid, visit)
			}
		}
	}
	// Last, because the leader may have ended, and its id be anybody's now.
	return (has || hidden && s.UID == l.user) && proctree.Parent(l.leader) == l.guard
}

// address is the port as host:port.
func (l *listener) address() string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(l.port))
}

// connect is dial with an ordinary connection, made within timeout.
func (l *listener) connect(timeout time.Duration) (net.Conn, error) {
	return l.dial(func() (net.Conn, error) { return net.DialTimeout("tcp4", l.address(), timeout) })
}

// knock is dial for a server that is expected any moment; see knock.
func (l *listener) knock() (net.Conn, error) {
	return l.dial(func() (net.Conn, error) { return knock(l.port) })
}
