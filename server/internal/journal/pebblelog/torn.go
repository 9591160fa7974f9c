package pebblelog

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/record"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// pacedMark is a file in directories whose log of writes is, or was, synced at
// intervals. What Pebble writes says up to where all is synced, and with a
// pacer that is not so: after a loss of power a log that was cut short looks
// damaged, and Pebble would refuse it.
const pacedMark = "paced"

// mendTorn makes the directory ready for an open with syncs at intervals or
// without. Where the last one was with, the newest log of writes ends with the
// last commit before the first that is not whole; those before it were synced
// when they were closed. settle is to be called after the open.
func mendTorn(files vfs.FS, dir, journalDir string, paces bool) (settle func() error, err error) {
	paced, err := isPaced(files, dir)
	if err != nil {
		return nil, err
	}
	if paced {
		if err := cutTorn(files, journalDir); err != nil {
			return nil, err
		}
	}
	switch {
	case paces && !paced:
		return nothing, writeFile(files, dir, pacedMark, "")
	case paced && !paces:
		return func() error {
			if err := files.Remove(files.PathJoin(dir, pacedMark)); err != nil {
				return err
			}
			return syncDir(files, dir)
		}, nil
	}
	return nothing, nil
}

func isPaced(files vfs.FS, dir string) (bool, error) {
	_, err := readFile(files, files.PathJoin(dir, pacedMark))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func nothing() error { return nil }

func cutTorn(files vfs.FS, journalDir string) error {
	logs, err := logsOf(files, journalDir)
	if err != nil || len(logs) == 0 {
		return err
	}
	newest := logs[len(logs)-1]
	whole, torn, err := wholeCommits(files, newest)
	if err != nil || !torn {
		return err
	}
	return cut(files, journalDir, newest.path, whole)
}

// writeLog is a file of Pebble's, which a commit is in before any other.
type writeLog struct {
	number uint64
	path   string
}

// logsOf are the logs of writes, the newest one last.
func logsOf(files vfs.FS, journalDir string) (logs []writeLog, err error) {
	names, err := files.List(journalDir)
	for _, name := range names {
		digits, isLog := strings.CutSuffix(name, ".log")
		if n, err := strconv.ParseUint(digits, 10, 64); isLog && err == nil {
			logs = append(logs, writeLog{n, files.PathJoin(journalDir, name)})
		}
	}
	slices.SortFunc(logs, func(a, b writeLog) int { return cmp.Compare(a.number, b.number) })
	return logs, err
}

// wholeCommits is how many bytes of a log of writes hold whole commits, if
// there is something after them that Pebble takes for damage.
func wholeCommits(files vfs.FS, log writeLog) (whole int64, torn bool, err error) {
	f, err := files.Open(log.path)
	if err != nil {
		return 0, false, err
	}
	defer f.Close()
	r := numbered(record.NewReader, f, log.number)
	for {
		commit, err := r.Next()
		if err == nil {
			_, err = io.Copy(io.Discard, commit)
		}
		switch {
		case err == nil:
			whole = r.Offset()
		case errors.Is(err, io.EOF), errors.Is(err, record.ErrUnexpectedEOF):
			return whole, false, nil
		case errors.Is(err, record.ErrInvalidChunk), errors.Is(err, record.ErrZeroedChunk):
			return whole, true, nil
		default:
			return 0, false, err
		}
	}
}

// numbered calls with a file number, whose type Pebble does not export.
func numbered[Number ~uint64](reader func(io.Reader, Number) *record.Reader, f io.Reader, n uint64) *record.Reader {
	return reader(f, Number(n))
}

// cut puts the first length bytes of a file in its place.
func cut(files vfs.FS, dir, path string, length int64) error {
	from, err := files.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	return replace(files, dir, path, func(to io.Writer) error {
		_, err := io.CopyN(to, from, length)
		return err
	})
}
