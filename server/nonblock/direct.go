//go:build linux && !race

package nonblock

import (
	"syscall"
	"unsafe"
)

// directBytes is the most that is moved without telling the scheduler. The
// calls do not wait, and so few bytes take microseconds: telling it costs a
// tenth of a whole invocation. More would hold up a garbage collection.
const directBytes = 64 << 10

func read(fd uintptr, p []byte) (int, syscall.Errno) {
	if len(p) > directBytes {
		return readLong(fd, p)
	}
	n, _, err := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	return int(n), err
}

func write(fd uintptr, p []byte) (int, syscall.Errno) {
	if len(p) > directBytes {
		return writeLong(fd, p)
	}
	n, _, err := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	return int(n), err
}

// peek's errno is 0 when there is something to read, the end included.
func peek(fd uintptr) syscall.Errno {
	var one byte
	_, _, err := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&one)), 1, syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
	return err
}
