package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// claim is a directory that is in use for as long as this process holds a lock
// on it, which the kernel takes back however the process ends. One that nobody
// holds was left behind by a simplane that was killed.
type claim struct {
	path string
	lock *os.File // the directory, opened
}

// newClaim makes a directory below parent whose name begins with prefix.
func newClaim(parent, prefix string) (*claim, error) {
	for range 10 {
		path, err := os.MkdirTemp(parent, prefix)
		if err != nil {
			return nil, err
		}
		lock, err := claimed(path)
		if errors.Is(err, errInUse) || errors.Is(err, fs.ErrNotExist) {
			continue // swept away before it was locked
		}
		if err != nil {
			_ = os.Remove(path)
			return nil, err
		}
		return &claim{path, lock}, nil
	}
	return nil, fmt.Errorf("%s: each new directory is removed by somebody", parent)
}

// release removes the directory, with remove, and gives it up.
func (c *claim) release(remove func(path string) error) error {
	return errors.Join(remove(c.path), c.lock.Close())
}

// sweep removes, with remove, the directories of newClaim that nobody holds.
// Those of other users stay, and so does what is no directory.
func sweep(parent, prefix string, remove func(path string) error) error {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		path := filepath.Join(parent, e.Name())
		lock, err := claimed(path)
		if err != nil {
			continue
		}
		errs = append(errs, remove(path))
		lock.Close()
	}
	return errors.Join(errs...)
}

var errInUse = errors.New("the directory is in use")

// claimed locks a directory of this user's and returns it open.
func claimed(path string) (*os.File, error) {
	dir, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	var opened, named unix.Stat_t
	err = unix.Fstat(int(dir.Fd()), &opened)
	switch {
	case err != nil:
	case opened.Uid != uint32(os.Geteuid()):
		err = fs.ErrPermission
	default:
		err = unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = errInUse
	}
	if err == nil {
		// Another one may have removed it between the two.
		err = unix.Lstat(path, &named)
		if err == nil && (named.Dev != opened.Dev || named.Ino != opened.Ino) {
			err = fs.ErrNotExist
		}
	}
	if err != nil {
		dir.Close()
		return nil, err
	}
	return dir, nil
}
