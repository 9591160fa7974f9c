package bubble

import (
	"os"
	"path/filepath"
	"slices"

	"simplane/core/recording"
	"simplane/sim/replay"
)

// replay takes every decision of the server's core again, from the files that the
// server has recorded. It must be called once the server has ended.
func (s *stage) replay() {
	files, _ := filepath.Glob(filepath.Join(s.record, "*.rec"))
	slices.Sort(files)
	if len(files) != 1 {
		s.find("%d recordings, expected one", len(files))
		return
	}
	f, err := os.Open(files[0])
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	rec, err := recording.Read(f)
	if err != nil {
		s.find("the recording cannot be read: %v", err)
		return
	}
	report, err := replay.Run(rec, replay.Options{})
	switch {
	case err != nil:
		s.find("the recording cannot be replayed: %v", err)
	case report.Exit() != replay.ExitIdentical || report.Records == 0:
		s.find("the recording of %d records: %s", report.Records, report.Verdict())
	}
}
