package pebblelog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// dirLock is the exclusive use of a data directory. The lock is Pebble's; the
// file pid says to others who has it.
type dirLock struct {
	pebble *pebble.Lock
	files  vfs.FS
	pid    string // its path; empty when it was not written
}

func lockDirectory(files vfs.FS, dir, journalDir string, readOnly bool) (*dirLock, error) {
	if !readOnly {
		if err := makeDirectory(files, journalDir); err != nil {
			return nil, err
		}
	}
	held, err := pebble.LockDirectory(journalDir, files)
	if err != nil {
		return nil, heldBy(files, dir, err)
	}
	l := &dirLock{pebble: held, files: files}
	if readOnly {
		return l, nil
	}
	if err := writeFile(files, dir, "pid", fmt.Sprintln(os.Getpid())); err != nil {
		return nil, errors.Join(err, held.Close())
	}
	l.pid = files.PathJoin(dir, "pid")
	return l, nil
}

// heldBy explains why a lock was not given.
func heldBy(files vfs.FS, dir string, err error) error {
	if !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EACCES) && !strings.Contains(err.Error(), "held by current process") {
		return err
	}
	who := "another process"
	if raw, readErr := readFile(files, files.PathJoin(dir, "pid")); readErr == nil {
		who = "process " + strings.TrimSpace(string(raw))
	}
	return fmt.Errorf("%s has it open; one process at a time can use a data directory", who)
}

func (l *dirLock) release() error {
	if l.pid != "" {
		_ = l.files.Remove(l.pid)
	}
	return l.pebble.Close()
}

// writeFile writes a small file so that after a crash it is there whole or not
// at all.
func writeFile(files vfs.FS, dir, name, text string) error {
	return replace(files, dir, files.PathJoin(dir, name), func(to io.Writer) error {
		_, err := io.WriteString(to, text)
		return err
	})
}

// replace puts what write writes in the place of a file of dir, which after a crash is the
// earlier one or that, whole.
func replace(files vfs.FS, dir, path string, write func(to io.Writer) error) error {
	f, err := files.Create(path+".new", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if err = errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := files.Rename(path+".new", path); err != nil {
		return err
	}
	return syncDir(files, dir)
}

func readFile(files vfs.FS, path string) ([]byte, error) {
	f, err := files.Open(path)
	if err != nil {
		if os.IsNotExist(err) {
			return nil, fs.ErrNotExist
		}
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 4096))
}
