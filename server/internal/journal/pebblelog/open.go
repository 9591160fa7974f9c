package pebblelog

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Memory: what is written goes into memtables first, of which there are two as a
// rule and memtables at most; the cache is for compactions and the one read at
// the start.
const (
	memtableBytes = 16 << 20
	memtables     = 4
	cacheBytes    = 8 << 20
	openFiles     = 256
)

// Each flushed memtable overlaps the others, as it has keys of all partitions.
// Merging them at four, as Pebble does by itself, is a quarter of the CPU of an
// enqueue. They are read at the start only, and what is removed takes space until
// then: 128 MiB at most.
const (
	mergeFlushed = 8
	stopFlushed  = 3 * mergeFlushed // writes wait
)

// pebbleFormat is the format of Pebble's files. Raising it makes directories
// that an older version refuses.
const pebbleFormat = pebble.FormatTableFormatV6

// ErrNewer is the error of a directory that a newer version of simplane wrote.
var ErrNewer = errors.New("it was written by a newer version of simplane")

// Open opens the log in o.Dir, and makes the directory when there is none. One
// process at a time can have it open.
func Open(o Options) (_ *Log, err error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("data directory %s: %w", o.Dir, explained(err))
		}
	}()
	if !o.ReadOnly {
		if err := makeDirectory(o.FS, o.Dir); err != nil {
			return nil, err
		}
	}
	l := &Log{o: o}
	journalDir := o.FS.PathJoin(o.Dir, "journal")
	if err := checkFormat(o.FS, o.Dir, journalDir, o.ReadOnly); err != nil {
		return nil, err
	}
	if l.lock, err = lockDirectory(o.FS, o.Dir, journalDir, o.ReadOnly); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = l.lock.release()
		}
	}()
	files := o.FS
	if o.SyncEvery > 0 && !o.ReadOnly {
		l.pacer = newSyncPacer(o.SyncEvery, o.Fatal)
		files = pacedFS{files, l.pacer}
	}
	if o.Reserve > 0 && !o.ReadOnly {
		l.reserve = newReserve(o.FS, o.FS.PathJoin(o.Dir, "reserve"), o.Reserve, o.Log)
		files = vfs.OnDiskFull(files, l.reserve.giveUp)
	}
	g := &guard{fatal: o.Fatal}
	files = guardFS{files, g}
	settle := nothing
	if o.ReadOnly {
		damaged, err := damagedLogs(o.FS, journalDir)
		if err != nil {
			return nil, err
		}
		files = shortFS{files, damaged}
		if l.damage, err = damageTold(o.FS, o.Dir, journalDir, damaged); err != nil {
			return nil, err
		}
	} else {
		if settle, err = mendTorn(o.FS, o.Dir, journalDir, o.SyncEvery > 0); err != nil {
			return nil, err
		}
		if err := l.toFormat(journalDir, files); err != nil {
			return nil, l.unreadable(err)
		}
	}
	if l.db, err = pebble.Open(journalDir, l.pebbleOptions(files)); err != nil {
		return nil, l.unreadable(explainedLog(o.FS, journalDir, err))
	}
	if err := settle(); err != nil {
		return nil, errors.Join(err, l.db.Close())
	}
	if err := l.findNext(); err != nil {
		return nil, errors.Join(err, l.db.Close())
	}
	g.armed.Store(!o.ReadOnly)
	return l, nil
}

// toFormat brings the files to pebbleFormat, and makes them where there are none.
// Open would do so too, but only after it has begun its log of writes in the
// format that it found, in which damage amid the log cannot be told from the
// end of one that a crash has cut short: all that comes after would be gone in silence.
func (l *Log) toFormat(journalDir string, files vfs.FS) error {
	found, err := pebble.Peek(journalDir, files)
	if err != nil || found.FormatMajorVersion >= pebbleFormat {
		return err
	}
	db, err := pebble.Open(journalDir, l.pebbleOptions(files))
	if err != nil {
		return err
	}
	return db.Close()
}

func (l *Log) pebbleOptions(files vfs.FS) *pebble.Options {
	cache := pebble.NewCache(cacheBytes)
	defer cache.Unref() // Open keeps it
	return &pebble.Options{
		FS: files, Lock: l.lock.pebble, ReadOnly: l.o.ReadOnly, ErrorIfNotExists: l.o.ReadOnly,
		FormatMajorVersion: pebbleFormat,
		MemTableSize:       memtableBytes, MemTableStopWritesThreshold: memtables,
		L0CompactionThreshold: mergeFlushed, L0StopWritesThreshold: stopFlushed,
		Cache: keptCache(cache), MaxOpenFiles: openFiles,
		Logger: logger{l.o.Log, l.o.Fatal},
		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) { l.o.Log.Warn("the journal's files", "error", err) },
			// Met while reading, it is the reader's error; met by a compaction, that
			// does not happen, and what is readable stays so.
			DataCorruption: func(info pebble.DataCorruptionInfo) {
				l.o.Log.Error("the journal has a corrupt file", "file", info.Path, "error", oneLine{info.Details})
			},
		},
	}
}

// keptCache takes a reference for the database.
func keptCache(c *pebble.Cache) *pebble.Cache {
	c.Ref()
	return c
}

// makeDirectory makes dir and what is missing above it, so that a loss of power
// takes none of it away.
func makeDirectory(files vfs.FS, dir string) error {
	var fresh []string
	for d := dir; ; d = files.PathDir(d) {
		info, err := files.Stat(d)
		if err == nil && !info.IsDir() {
			return fmt.Errorf("%s is no directory", d)
		}
		if err == nil || files.PathDir(d) == d {
			break
		}
		fresh = append(fresh, d)
	}
	if err := files.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, d := range fresh {
		if err := syncDir(files, files.PathDir(d)); err != nil {
			return err
		}
	}
	return nil
}

func syncDir(files vfs.FS, dir string) error {
	d, err := files.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// formatVersion is that of a data directory as a whole. A change that an older
// version would misread raises it.
const formatVersion = 1

const formatPrefix = "simplane data directory, format "

// checkFormat reads the directory's format, and writes it into a new one.
func checkFormat(files vfs.FS, dir, journalDir string, readOnly bool) error {
	name := files.PathJoin(dir, "format")
	raw, err := readFile(files, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := files.Stat(journalDir); err == nil {
			return errors.New("has a journal, but no file named format: it is incomplete; restore it from a backup")
		}
		if readOnly {
			return errors.New("holds no journal of simplane")
		}
		return writeFile(files, dir, "format", formatPrefix+strconv.Itoa(formatVersion)+"\n")
	case err != nil:
		return err
	}
	text, ok := strings.CutPrefix(strings.TrimSpace(string(raw)), formatPrefix)
	version, numeric := strconv.Atoi(text)
	switch {
	case !ok || numeric != nil || version < 1:
		return fmt.Errorf("the file format says %.60q, which is no format of simplane's", raw)
	case version > formatVersion:
		return fmt.Errorf("%w (format %d, this one knows %d); use that version", ErrNewer, version, formatVersion)
	}
	return nil
}

// unreadable names the way out where what is on disk cannot be read.
func (l *Log) unreadable(err error) error {
	switch {
	case strings.Contains(err.Error(), "unknown format major version"):
		return fmt.Errorf("%w: %w; use that version", ErrNewer, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return err
	case l.o.ReadOnly:
		return fmt.Errorf("the journal cannot be read: %w", oneLine{err})
	}
	return fmt.Errorf("the journal cannot be read: %w; nothing was changed. 'simplane journal check %s' says what is readable, 'simplane journal export' saves that", oneLine{err}, l.o.Dir)
}

// oneLine is an error without the lines that Pebble adds for developers.
type oneLine struct{ error }

func (e oneLine) Unwrap() error { return e.error }

func (e oneLine) Error() string {
	first, _, _ := strings.Cut(e.error.Error(), "\n")
	return first
}

// explained says what to do about errors that have one cause.
func explained(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("the disk is full: %w; make room and start again, nothing is lost", err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("the file system is read-only: %w", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("this user may not use it: %w", err)
	}
	return err
}
