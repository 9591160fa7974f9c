package sock

import "golang.org/x/sys/unix"

// Arrived is how many bytes the peer has sent that no Read has returned yet, as
// far as they have come. It is for the goroutine that reads, after the first
// Await; before that it is 0, as it is where the machine does not say. It
// neither waits nor reads.
func (c *Conn) Arrived() int {
	n := len(c.ahead)
	if c.raw == nil {
		return n
	}
	if c.inMemory != nil {
		return n + c.inMemory.Unread()
	}
	_ = c.raw.Control(func(fd uintptr) {
		if waiting, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ); err == nil { // #nosec G115 -- a file descriptor
			n += waiting
		}
	})
	return n
}
