package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// exchanges is where FILE invocations exchange data: a directory of this
// provider's, with one for each invocation.
type exchanges struct {
	temp string
	user Identity // that functions run as

	mu     sync.Mutex
	base   *claim // nil until the first
	closed bool
}

const exchangePrefix = "simplane-files-"

// sweep removes what simplanes that were killed have left.
func (x *exchanges) sweep() error { return sweep(x.temp, exchangePrefix, os.RemoveAll) }

func (x *exchanges) directory() (string, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.base == nil {
		if x.closed {
			return "", errors.New("the provider is closed")
		}
		c, err := newClaim(x.temp, exchangePrefix)
		if err != nil {
			return "", err
		}
		x.base = c
		if x.user.other {
			if err := c.lock.Chmod(0o711); err != nil { // it has to get to its own below
				return "", err
			}
		}
	}
	return x.base.path, nil
}

func (x *exchanges) close() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.closed = true
	if x.base != nil {
		_ = x.base.release(os.RemoveAll)
		x.base = nil
	}
}

// exchange is the directory of one invocation. The function may do with it what
// it likes: rename it, and put links or pipes in the place of files. So it is
// kept open, and what is in it is opened by name without following a link.
type exchange struct {
	path string
	dir  *os.File
	user Identity
}

// File names in an exchange.
const (
	inputFile    = "input.json"
	metadataFile = "metadata.json"
	outputFile   = "output.json"
)

// open makes the directory of an invocation, with the files in it, for the
// functions' user to read and write.
func (x *exchanges) open(id string, files map[string][]byte) (*exchange, error) {
	base, err := x.directory()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(base, id)
	if err := os.Mkdir(path, 0o700); err != nil {
		return nil, err
	}
	dir, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		_ = os.Remove(path)
		return nil, err
	}
	e := &exchange{path, dir, x.user}
	for name, data := range files {
		err = errors.Join(err, e.write(name, data))
	}
	if err == nil {
		err = e.user.own(dir) // last: until now nobody else could put a link in it
	}
	if err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

func (e *exchange) name(file string) string { return filepath.Join(e.path, file) }

func (e *exchange) write(name string, data []byte) error {
	fd, err := unix.Openat(int(e.dir.Fd()), name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return &os.PathError{Op: "open", Path: e.name(name), Err: err}
	}
	f := os.NewFile(uintptr(fd), e.name(name))
	_, err = f.Write(data)
	return errors.Join(err, e.user.own(f), f.Close())
}

// read returns what the function has written into one of its files, at most
// limit bytes. It has to be a file of the function's user that has no other
// name: with simplane's rights it could be any file of the machine otherwise.
func (e *exchange) read(name string, limit int) ([]byte, error) {
	_ = e.dir.Chmod(0o700) // the function may have changed it
	// A FIFO would be waited for without O_NONBLOCK.
	fd, err := unix.Openat(int(e.dir.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	switch err {
	case nil:
	case unix.ELOOP:
		return nil, errors.New("is a symbolic link")
	case unix.ENXIO:
		return nil, errors.New("is not a regular file")
	case unix.ENOENT:
		return nil, err
	default:
		return nil, fmt.Errorf("cannot be opened: %w", err)
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	var s unix.Stat_t
	if err := unix.Fstat(fd, &s); err != nil {
		return nil, fmt.Errorf("cannot be looked at: %w", err)
	}
	switch {
	case s.Mode&unix.S_IFMT != unix.S_IFREG:
		return nil, errors.New("is not a regular file")
	case s.Nlink != 1:
		return nil, errors.New("is a link to another file")
	case s.Uid != e.user.uid:
		return nil, fmt.Errorf("belongs to user %d, not to the function's", s.Uid)
	case s.Size > int64(limit):
		return nil, errTooLarge
	}
	data, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot be read: %w", err)
	case len(data) > limit:
		return nil, errTooLarge
	}
	return data, nil
}

var errTooLarge = errors.New("is too large")

// close removes the directory. Should the function have moved it elsewhere, the
// files are gone at least.
func (e *exchange) close() {
	_ = e.dir.Chmod(0o700)
	for _, name := range []string{inputFile, metadataFile, outputFile} {
		_ = unix.Unlinkat(int(e.dir.Fd()), name, 0)
	}
	e.dir.Close()
	_ = os.RemoveAll(e.path)
}
