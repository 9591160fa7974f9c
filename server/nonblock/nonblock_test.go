package nonblock

import (
	"bytes"
	"syscall"
	"testing"
)

// pair is two connected non-blocking sockets.
func pair(t *testing.T) (a, b uintptr) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if err := syscall.SetNonblock(fd, true); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = syscall.Close(fd) })
	}
	return uintptr(fds[0]), uintptr(fds[1])
}

func TestBytesArriveInOrder(t *testing.T) {
	a, b := pair(t)
	want := bytes.Repeat([]byte("0123456789"), 100_000) // longer than directBytes and the sockets' buffers
	var got []byte
	for _, step := range []int{1, 4096, 60_000, 1 << 20} {
		got = got[:0]
		buf := make([]byte, step)
		for sent := 0; len(got) < len(want); {
			if sent < len(want) {
				n, err := Write(a, want[sent:min(sent+step, len(want))])
				if err != nil && err != syscall.EAGAIN {
					t.Fatal(err)
				}
				sent += n
			}
			n, err := Read(b, buf)
			if err != nil && err != syscall.EAGAIN {
				t.Fatal(err)
			}
			got = append(got, buf[:n]...)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("in steps of %d: other bytes arrived", step)
		}
	}
}

func TestWhatWouldWaitSaysSo(t *testing.T) {
	a, b := pair(t)
	if n, err := Read(b, make([]byte, 10)); n != 0 || err != syscall.EAGAIN {
		t.Errorf("nothing to read: %d, %v", n, err)
	}
	for _, size := range []int{1000, 200_000} {
		for i := 0; ; i++ {
			n, err := Write(a, make([]byte, size))
			if err == syscall.EAGAIN && n == 0 {
				break
			}
			if err != nil || n <= 0 || i > 1_000_000 {
				t.Fatalf("write %d: %d, %v", i, n, err)
			}
		}
	}
}

func TestQuietAndTheEnd(t *testing.T) {
	a, b := pair(t)
	if !Quiet(b) {
		t.Error("an idle socket is not quiet")
	}
	if _, err := Write(a, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if Quiet(b) {
		t.Error("a byte has arrived")
	}
	if n, err := Read(b, make([]byte, 10)); n != 1 || err != nil {
		t.Errorf("the byte was taken: %d, %v", n, err)
	}
	if err := syscall.Shutdown(int(a), syscall.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	if Quiet(b) {
		t.Error("the other end has closed")
	}
	if n, err := Read(b, make([]byte, 10)); n != 0 || err != nil {
		t.Errorf("the end: %d, %v", n, err)
	}
	const closed = ^uintptr(0)
	if _, err := Read(closed, make([]byte, 1)); err != syscall.EBADF {
		t.Errorf("no socket: %v", err)
	}
	if _, err := Write(closed, make([]byte, 1)); err != syscall.EBADF {
		t.Errorf("no socket: %v", err)
	}
	if Quiet(closed) {
		t.Error("no socket is quiet")
	}
}
