package flight

import (
	"os"
	"strings"
	"testing"
	"time"

	"simplane/core"
	"simplane/core/recording"
)

// still is a clock that stands still, and a dispatcher that never answers.
type still struct{}

func (still) Now() core.Instant                          { return core.Instant{Wall: 1, Mono: 1} }
func (still) AfterFunc(time.Duration, func()) core.Timer { return time.NewTimer(time.Hour) }
func (still) NewID() core.ID                             { return core.ID{1} }
func (still) Dispatch(core.Task)                         {}

// TestAContradictionIsDumped: core's self-check finds one, and says of which
// function.
func TestAContradictionIsDumped(t *testing.T) {
	for _, names := range []bool{true, false} {
		contradict(t, names)
	}
}

func contradict(t *testing.T, names bool) {
	o := smallest(t)
	o.Header = func(why string) recording.Header { return recording.Header{Why: why, Names: names} }
	r := New(o)
	var alarm core.Alarm = r
	c, err := core.New(core.Config{Recorder: alarm}, still{}, still{}, still{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	name := "checkout"
	spec, err := core.ResolveSpec(core.SpecInput{Name: &name})
	if err != nil {
		t.Fatal(err)
	}
	fn, err := c.Register(spec)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // one dump for them all
		alarm.Broken(fn, "out of order")
	}
	for end := time.Now().Add(hangGuard); ; time.Sleep(time.Millisecond) {
		left, err := list(r.o.DumpDir, dumpName)
		if err != nil || time.Now().After(end) {
			t.Fatal("no dump", err)
		}
		if len(left) == 0 {
			continue
		}
		file, err := os.Open(left[0].path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := recording.Read(file)
		_ = file.Close()
		if err != nil || got.Truncated { // it is being written
			continue
		}
		if why := got.Header.Why; len(left) != 1 || !strings.Contains(why, ": out of order") || strings.Contains(why, `"checkout"`) != names || len(got.Bases) != 1 {
			t.Errorf("%d dumps, %q, %d bases", len(left), why, len(got.Bases))
		}
		return
	}
}
