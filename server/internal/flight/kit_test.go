package flight

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"simplane/core"
	"simplane/core/recording"
)

// hangGuard ends a test that waits for something that never comes.
const hangGuard = 30 * time.Second

// smallest are options with rings of 128 steps.
func smallest(t *testing.T) Options {
	return Options{
		Bytes: MinBytes, DumpDir: t.TempDir(), Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Header: func(why string) recording.Header {
			return recording.Header{Version: "test", Made: time.Now().UnixNano(), Why: why, Names: true}
		},
	}
}

// teller tells a recorder of steps and bases as core does: those of a function in
// their order.
type teller struct {
	r    *Recorder
	seqs map[uint32]uint32
	wall int64
}

func tell(r *Recorder) *teller {
	return &teller{r, map[uint32]uint32{}, 1_700_000_000_000_000_000}
}

func (l *teller) steps(domain uint32, n int) {
	for range n {
		l.seqs[domain]++
		l.wall += 1_000_000
		l.r.Step(core.Step{Domain: domain, Seq: l.seqs[domain], Wall: l.wall, Check: domain ^ l.seqs[domain], ID: core.ID{byte(domain), byte(l.wall >> 20)}})
	}
}

func (l *teller) base(domain uint32, whole bool) {
	l.r.Base(&core.Base{Domain: domain, Seq: l.seqs[domain], Wall: l.wall, Whole: whole, Spec: &core.Spec{Name: "f"}})
}

func dumped(t *testing.T, r *Recorder) *recording.Recording {
	t.Helper()
	var out bytes.Buffer
	if err := r.Dump(&out, "test"); err != nil {
		t.Fatal(err)
	}
	return read(t, &out)
}

func read(t *testing.T, from io.Reader) *recording.Recording {
	t.Helper()
	got, err := recording.Read(from)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// recorded are the files of a directory, in their order.
func recorded(t *testing.T, dir string) (all []*recording.Recording) {
	t.Helper()
	files, err := list(dir, recordName)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		file, err := os.Open(f.path)
		if err != nil {
			t.Fatal(err)
		}
		info, err := file.Stat()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, mode %v", filepath.Base(f.path), err, info.Mode())
		}
		all = append(all, read(t, file))
		_ = file.Close()
	}
	return all
}

// inOrder checks that each function's steps are without a gap, and returns how
// many each has.
func inOrder(t *testing.T, steps []core.Step) map[uint32]int {
	t.Helper()
	last, n := map[uint32]uint32{}, map[uint32]int{}
	for i := range steps {
		s := &steps[i]
		if before, known := last[s.Domain]; known && s.Seq != before+1 {
			t.Fatalf("step %d of function %d follows step %d", s.Seq, s.Domain, before)
		}
		last[s.Domain] = s.Seq
		n[s.Domain]++
	}
	return n
}
