package pebblelog

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// damagedLogs are the logs of writes in which something that is not whole is
// followed by what was synced after it: how many bytes hold whole commits, by
// the files' paths. Pebble reads none of such a log, and does not say which it was.
func damagedLogs(files vfs.FS, journalDir string) (map[string]int64, error) {
	logs, err := logsOf(files, journalDir)
	damaged := map[string]int64{}
	for _, log := range logs {
		whole, torn, readErr := wholeCommits(files, log)
		if readErr != nil {
			return nil, readErr
		}
		if torn {
			damaged[log.path] = whole
		}
	}
	return damaged, err
}

// damageTold says what damagedLogs has found, a text for each file. Where syncs
// are at intervals the newest log may end so, and nothing is said of it.
func damageTold(files vfs.FS, dir, journalDir string, damaged map[string]int64) (told []string, err error) {
	paced, err := isPaced(files, dir)
	if err != nil {
		return nil, err
	}
	logs, err := logsOf(files, journalDir)
	if err != nil {
		return nil, err
	}
	for i, log := range logs {
		if whole, is := damaged[log.path]; is && !(paced && i == len(logs)-1) {
			told = append(told, fmt.Sprintf("%s: damaged after byte %d; what was written there from then on cannot be read", log.path, whole))
		}
	}
	return told, nil
}

// shortFS ends files early.
type shortFS struct {
	vfs.FS
	lengths map[string]int64 // by path
}

func (fs shortFS) Unwrap() vfs.FS { return fs.FS }

func (fs shortFS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := fs.FS.Open(name, opts...)
	if length, short := fs.lengths[name]; short && err == nil {
		return &shortFile{f, io.LimitReader(f, length)}, nil
	}
	return f, err
}

type shortFile struct {
	vfs.File
	from io.Reader
}

func (f *shortFile) Read(to []byte) (int, error) { return f.from.Read(to) }

// explainedLog adds the name of a damaged log to Pebble's error, which has none.
func explainedLog(files vfs.FS, journalDir string, err error) error {
	damaged, readErr := damagedLogs(files, journalDir)
	if readErr != nil || len(damaged) == 0 {
		return err
	}
	return fmt.Errorf("%s: %w", strings.Join(slices.Sorted(maps.Keys(damaged)), ", "), err)
}
