package guard

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// However the bytes come, the frames are the same ones.
func TestFramesComeInPieces(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var want []message
	var stream []byte
	for i := range 300 {
		m := messages()[random.IntN(3)].(*request)
		if i%50 == 0 { // larger than the inbox
			m = &request{Op: opSpawn, ID: fmt.Sprint(i), Spawn: &Command{Env: []string{strings.Repeat("x", random.IntN(3*inboxSize))}}}
		}
		frame, err := encode(m)
		if err != nil {
			t.Fatal(err)
		}
		want, stream = append(want, m), append(stream, frame...)
	}
	for _, most := range []int{1, 7, 300, inboxSize, 1 << 30} {
		rest := stream
		in := newInbox(func(b []byte) (int, []int, error) {
			n := copy(b[:min(len(b), 1+random.IntN(most))], rest)
			rest = rest[n:]
			return n, nil, nil
		})
		for i, m := range want {
			got := &request{}
			if err := in.next(got); err != nil || got.ID != m.(*request).ID {
				t.Fatalf("pieces of up to %d bytes: frame %d is %+v, %v", most, i, got, err)
			}
			if got.Spawn != nil && len(got.Spawn.Env) > 0 && !reflect.DeepEqual(got, m) {
				t.Fatalf("pieces of up to %d bytes: frame %d differs", most, i)
			}
		}
		if in.holds() || in.next(&request{}) == nil {
			t.Fatalf("pieces of up to %d bytes: there is one frame more", most)
		}
		if cap(in.buf) > 2*inboxSize {
			t.Errorf("the inbox kept %d bytes", cap(in.buf))
		}
	}
}

// Requests with files and without, small and large, are sent faster than they
// are read: each must come with its own files.
func TestFilesBelongToTheirRequest(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[1])
	const requests = 200
	dir := t.TempDir()
	sent := make(chan error, 1)
	go func() {
		defer unix.Close(pair[0])
		sent <- func() error {
			for i := range requests {
				if i%3 == 1 {
					if err := socket(pair[0]).send(&request{Op: opKill, ID: fmt.Sprint(i)}); err != nil {
						return err
					}
					continue
				}
				var fds []int
				for range spawnFDs {
					f, err := os.Create(filepath.Join(dir, fmt.Sprint(i)))
					if err != nil {
						return err
					}
					defer f.Close()
					fds = append(fds, int(f.Fd()))
				}
				r := &request{Op: opSpawn, ID: fmt.Sprint(i), Spawn: &Command{Dir: strings.Repeat("d", i%7*100_000)}}
				if err := socket(pair[0]).send(r, fds...); err != nil {
					return err
				}
			}
			return nil
		}()
	}()

	in := newInbox(socket(pair[1]).receive)
	for i := range requests {
		var r request
		if err := in.next(&r); err != nil || r.ID != fmt.Sprint(i) {
			t.Fatalf("request %d: %q, %v", i, r.ID, err)
		}
		if r.Op != opSpawn {
			continue
		}
		fds, err := in.files()
		if err != nil {
			t.Fatal(err)
		}
		for _, fd := range fds {
			name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
			if err != nil || filepath.Base(name) != r.ID {
				t.Fatalf("request %d came with %s, %v", i, name, err)
			}
			if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
				t.Fatalf("request %d: a file that other commands would inherit: %v", i, err)
			}
		}
		closeAll(fds)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if _, err := in.files(); err == nil {
		t.Error("files are left over")
	}
}

func TestTooLargeFrameIsRefused(t *testing.T) {
	in := newInbox(func(b []byte) (int, []int, error) { return copy(b, "\xff\xff\xff\xff"), nil, nil })
	if err := in.next(&request{}); err == nil {
		t.Error("a frame of 4 GiB was waited for")
	}
}
