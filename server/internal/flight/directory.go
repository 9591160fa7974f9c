package flight

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"time"
)

// MinMaxBytes is the least bound of Record's files.
const MinMaxBytes = 8 << 20

// dumpsKept is how many dumps a directory may have: with another one, the oldest
// goes.
const dumpsKept = 20

var (
	recordName = regexp.MustCompile(`^simplane-[0-9]{8}T[0-9]{6}\.[0-9]{6}Z\.rec$`)
	dumpName   = regexp.MustCompile(`^simplane-dump-[0-9]{8}T[0-9]{6}\.[0-9]{6}Z\.rec$`)
)

const nameTime = "20060102T150405.000000Z"

// DumpName is the name of a dump that is made at a moment.
func DumpName(at time.Time) string { return "simplane-dump-" + at.UTC().Format(nameTime) + ".rec" }

// directory is where the files of a recording are, and its lock: two processes in
// one would remove each other's files.
type directory struct {
	path     string
	lock     *os.File
	maxBytes int64
	fileMax  int64      // at which the next file begins
	closed   []fileSize // files that are not written any more, oldest first
}

type fileSize struct {
	path string
	size int64
}

func openDirectory(path string, maxBytes int64) (*directory, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	d := &directory{path: path, lock: lock, maxBytes: maxBytes, fileMax: min(max(maxBytes/8, 1<<20), 64<<20)}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errors.New("another process records into it; give each a directory of its own")
		}
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), lock.Close())
	}
	if d.closed, err = list(path, recordName); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return d, nil
}

// list are the files of that form of name, the oldest first.
func list(path string, form *regexp.Regexp) (found []fileSize, err error) {
	entries, err := os.ReadDir(path) // sorted
	for _, e := range entries {
		if !form.MatchString(e.Name()) {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if info.Mode().IsRegular() {
			found = append(found, fileSize{filepath.Join(path, e.Name()), info.Size()})
		}
	}
	return found, err
}

// create makes room for another file and makes it.
func (d *directory) create() (*os.File, error) {
	total := int64(0)
	for _, f := range d.closed {
		total += f.size
	}
	for len(d.closed) > 0 && total+d.fileMax > d.maxBytes {
		oldest := d.closed[0]
		if err := os.Remove(oldest.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		d.closed, total = d.closed[1:], total-oldest.size
	}
	return createNew(d.path, func(at time.Time) string { return "simplane-" + at.UTC().Format(nameTime) + ".rec" })
}

// createNew makes a file for this user alone under a name of this moment that
// nobody has.
func createNew(dir string, name func(time.Time) string) (*os.File, error) {
	at := time.Now()
	for {
		f, err := os.OpenFile(filepath.Join(dir, name(at)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
		at = at.Add(time.Microsecond)
	}
}

func (d *directory) add(path string, size int64) { d.closed = append(d.closed, fileSize{path, size}) }

func (d *directory) close() error { return d.lock.Close() }

// DumpFile dumps into a new file of the dump directory and returns its name. The
// directory keeps the newest 20 dumps.
func (r *Recorder) DumpFile(why string) (string, error) {
	if r == nil || r.o.Bytes == 0 {
		return "", ErrOff
	}
	old, err := list(r.o.DumpDir, dumpName)
	if err != nil {
		return "", err
	}
	f, err := createNew(r.o.DumpDir, DumpName)
	if err != nil {
		return "", err
	}
	err = r.Dump(f, why)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	for _, victim := range slices.Backward(old[:max(0, len(old)+1-dumpsKept)]) {
		_ = os.Remove(victim.path)
	}
	return f.Name(), nil
}
