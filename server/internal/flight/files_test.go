package flight

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"simplane/core"
	"simplane/core/recording"
)

func TestFilesHaveEverything(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	r := New(smallest(t))
	if err := r.Record(dir, MinMaxBytes); err != nil {
		t.Fatal(err)
	}
	var tellers sync.WaitGroup
	for d := range uint32(16) {
		tellers.Go(func() {
			l := tell(r)
			l.base(d+1, true)
			for range 20 {
				l.steps(d+1, 97)
				time.Sleep(time.Millisecond) // the disk is given time
			}
		})
	}
	tellers.Wait()
	r.Close()
	tell(r).steps(1, 5) // too late
	files := recorded(t, dir)
	if len(files) != 1 || !files[0].Header.Whole || files[0].Header.Part != 1 || files[0].Truncated || files[0].Dropped != "" {
		t.Fatalf("%d files, %+v", len(files), files)
	}
	for d, n := range inOrder(t, files[0].Steps) {
		if n != 20*97 {
			t.Errorf("function %d has %d steps", d, n)
		}
	}
	if len(files[0].Bases) != 16 {
		t.Errorf("%d bases", len(files[0].Bases))
	}
	if s := r.State().Recording; s.Steps != 16*20*97 || s.Bytes == 0 {
		t.Errorf("state %+v", s)
	}
}

// TestStepsAreWrittenSoon: whoever copies the file of a process that lives, or was
// killed, has what happened until about a second before.
func TestStepsAreWrittenSoon(t *testing.T) {
	dir := t.TempDir()
	r := New(smallest(t))
	if err := r.Record(dir, MinMaxBytes); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	tell(r).steps(3, 7)
	for end := time.Now().Add(hangGuard); ; time.Sleep(20 * time.Millisecond) {
		if got := recorded(t, dir); len(got) == 1 && len(got[0].Steps) == 7 {
			if !got[0].Truncated {
				t.Error("a file that is being written has an end")
			}
			return
		}
		if time.Now().After(end) {
			t.Fatal("the steps do not come into the file")
		}
	}
}

// TestFilesAreRotated: they stay within the bound, the oldest go first, and each
// begins with the latest state of each function.
func TestFilesAreRotated(t *testing.T) {
	dir := t.TempDir()
	for _, old := range []string{"simplane-20200101T000000.000000Z.rec", "simplane-dump-20200101T000000.000000Z.rec", "notes.txt"} {
		if err := os.WriteFile(filepath.Join(dir, old), make([]byte, 3<<20), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := New(smallest(t))
	if err := r.Record(dir, MinMaxBytes); err != nil {
		t.Fatal(err)
	}
	l := tell(r)
	l.base(5, true)
	l.base(6, true)
	l.r.Base(&core.Base{Domain: 6, Whole: true, Deleted: true})
	rnd := rand.New(rand.NewPCG(1, 2))
	names := map[string]bool{}
	until := func(n int64) {
		for end := time.Now().Add(hangGuard); r.files.steps.Load() < n; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the steps are not written")
			}
		}
	}
	for i := range int64(220) {
		for d := range uint32(8) {
			for range 400 {
				l.seqs[d]++
				l.wall += 977
				r.Step(core.Step{Domain: d, Seq: l.seqs[d], Wall: l.wall, Check: uint32(l.wall) * 2654435761, Extra: rnd.Uint64(), Mono: int64(rnd.Uint32())})
			}
		}
		until((i - 20) * 3200) // else the disk would be too slow
		files, err := list(dir, recordName)
		if err != nil {
			t.Fatal(err)
		}
		total := int64(0)
		for _, f := range files {
			names[f.path] = true
			total += f.size
		}
		if total > MinMaxBytes+recording.BlockSteps*64 {
			t.Fatalf("%d files have %d bytes", len(files), total)
		}
	}
	r.Close()
	files := recorded(t, dir)
	if len(names) < 10 || len(files) < 6 || len(files) > 8 {
		t.Fatalf("there were %d files, and there are %d", len(names), len(files))
	}
	var steps []core.Step
	for i, f := range files {
		if f.Truncated || f.Dropped != "" || f.Header.Whole || f.Header.Part != files[0].Header.Part+i || f.Header.Series != files[0].Header.Series {
			t.Errorf("file %d: %+v %q %v", i, f.Header, f.Dropped, f.Truncated)
		}
		if len(f.Bases) != 1 || f.Bases[0].Domain != 5 {
			t.Errorf("file %d begins with %d bases", i, len(f.Bases))
		}
		steps = append(steps, f.Steps...)
	}
	inOrder(t, steps)
	if _, err := os.Stat(filepath.Join(dir, "simplane-20200101T000000.000000Z.rec")); err == nil {
		t.Error("the file of an earlier process is still there")
	}
	for _, other := range []string{"simplane-dump-20200101T000000.000000Z.rec", "notes.txt"} {
		if _, err := os.Stat(filepath.Join(dir, other)); err != nil {
			t.Error(err)
		}
	}
}

// TestADiskThatIsTooSlowEndsTheRecording: nobody waits for it, and the file says
// so.
func TestADiskThatIsTooSlowEndsTheRecording(t *testing.T) {
	for name, overload := range map[string]func(l *teller){
		"steps": func(l *teller) { l.steps(1, 2*chunks*chunkSteps) },
		"bases": func(l *teller) {
			for range 2 * (chunks + basesWaiting) {
				l.base(1, true)
			}
		},
		"large bases": func(l *teller) {
			large := []core.BaseExecution{{Waiters: strings.Repeat("w", recording.MaxBaseBytes/2)}}
			for range 2 * baseRoom / len(large[0].Waiters) {
				l.r.Base(&core.Base{Domain: 1, Live: large})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			var log bytes.Buffer
			o := smallest(t)
			o.Log = slog.New(slog.NewTextHandler(&log, nil))
			r := New(o)
			f, err := openFiles(r, dir, MinMaxBytes)
			if err != nil {
				t.Fatal(err)
			}
			r.files = f
			for i := range r.rings {
				r.rings[i].chunk = f.fresh()
			}
			l := tell(r)
			l.steps(2, 3)
			overload(l) // while nobody writes
			l.steps(2, 3)
			go f.run()
			<-f.done
			r.Close()
			got := recorded(t, dir)
			if len(got) != 1 || got[0].Dropped != tooSlow || got[0].Truncated {
				t.Fatalf("%d files; the last one says %q", len(got), got[0].Dropped)
			}
			inOrder(t, got[0].Steps)
			if !strings.Contains(log.String(), tooSlow) {
				t.Errorf("the log says %s", log.String())
			}
			if s := r.State().Recording; s.Active || s.Stopped != tooSlow {
				t.Errorf("state %+v", s)
			}
		})
	}
}

// TestAFullDiskEndsTheRecording uses a file that has no room for anything.
func TestAFullDiskEndsTheRecording(t *testing.T) {
	var log bytes.Buffer
	o := smallest(t)
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	r := New(o)
	f, err := openFiles(r, t.TempDir(), MinMaxBytes)
	if err != nil {
		t.Fatal(err)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full here: ", err)
	}
	if f.w, err = recording.NewWriter(new(bytes.Buffer), f.header); err != nil {
		t.Fatal(err)
	}
	_ = f.file.Close()
	f.file, f.w = full, writerTo(t, full, f.header)
	r.files = f
	for i := range r.rings {
		r.rings[i].chunk = f.fresh()
	}
	go f.run()
	tell(r).steps(1, 10*recording.BlockSteps)
	<-f.done
	tell(r).steps(1, 2*chunkSteps)
	if g := &r.rings[1]; g.chunk != nil {
		t.Error("steps are still kept for files")
	}
	if s := r.State().Recording; s.Active || !strings.Contains(s.Stopped, "no space left") || !strings.Contains(log.String(), "no space left") {
		t.Errorf("state %+v, log %s", s, log.String())
	}
}

// writerTo is a Writer whose header went elsewhere.
func writerTo(t *testing.T, to *os.File, h recording.Header) *recording.Writer {
	t.Helper()
	d := &headerless{to: to}
	w, err := recording.NewWriter(d, h)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// headerless drops the first write.
type headerless struct {
	to     *os.File
	passed bool
}

func (h *headerless) Write(b []byte) (int, error) {
	if !h.passed {
		h.passed = true
		return len(b), nil
	}
	return h.to.Write(b)
}

func TestTwoCannotRecordIntoOneDirectory(t *testing.T) {
	dir := t.TempDir()
	first := New(smallest(t))
	if err := first.Record(dir, MinMaxBytes); err != nil {
		t.Fatal(err)
	}
	if err := New(smallest(t)).Record(dir, MinMaxBytes); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a second recorder: %v", err)
	}
	first.Close()
	again := New(smallest(t))
	if err := again.Record(dir, MinMaxBytes); err != nil {
		t.Error(err)
	}
	again.Close()
	if err := New(smallest(t)).Record(filepath.Join(dir, "lock"), MinMaxBytes); err == nil {
		t.Error("a file was taken for a directory")
	}
}
