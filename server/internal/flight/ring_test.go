package flight

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"simplane/core"
)

func TestRingsHaveTheLatestSteps(t *testing.T) {
	r := New(smallest(t))
	l := tell(r)
	l.steps(1, 100)
	l.steps(2, 300)
	l.steps(9, 60) // shares the ring of 1
	got := dumped(t, r)
	if n := inOrder(t, got.Steps); n[1] != 68 || n[9] != 60 || n[2] != 128 || len(n) != 3 {
		t.Errorf("dumped %v", n)
	}
	if got.Header.Why != "test" || got.Header.Whole || got.Truncated {
		t.Errorf("header %+v", got.Header)
	}
	s := r.State()
	want := State{Enabled: true, Bytes: MinBytes, CapacitySteps: 1024, Steps: 256, Functions: 3, RecordedSteps: 460, DroppedSteps: 204, Dumps: 1,
		FromMillis: 1_700_000_000_033, WholeFromMillis: 1_700_000_000_273, ToMillis: 1_700_000_000_460}
	if s != want {
		t.Errorf("state %+v\nwant  %+v", s, want)
	}
}

func TestExactlyFullRing(t *testing.T) {
	for _, n := range []int{0, 1, 127, 128, 129} {
		r := New(smallest(t))
		tell(r).steps(1, n)
		if got := dumped(t, r); len(got.Steps) != min(n, 128) || n > 0 && got.Steps[len(got.Steps)-1].Seq != uint32(n) {
			t.Errorf("of %d steps %d are dumped", n, len(got.Steps))
		}
	}
}

func TestBasesGoWithTheirSteps(t *testing.T) {
	r := New(smallest(t))
	l := tell(r)
	l.base(1, true) // before 1
	l.steps(1, 100)
	l.base(1, true) // 100
	l.steps(1, 20)
	l.base(1, false) // an update at 120
	l.steps(1, 100)
	l.base(1, true)  // 220
	l.steps(9, 1)    // another function of the ring, from a base at 0
	l.base(17, true) // a third, idle since
	has := func() (seqs [][2]uint32) {
		for _, b := range dumped(t, r).Bases {
			seqs = append(seqs, [2]uint32{b.Domain, b.Seq})
		}
		return seqs
	}
	// The ring begins with step 94 of function 1.
	if got, want := has(), [][2]uint32{{1, 100}, {1, 120}, {1, 220}, {17, 0}}; !reflect.DeepEqual(got, want) {
		t.Errorf("bases %v, want %v", got, want)
	}
	l.steps(1, 200) // to 420: none of them leads to the steps that are there
	if got, want := has(), [][2]uint32{{17, 0}}; !reflect.DeepEqual(got, want) {
		t.Errorf("bases %v, want %v", got, want)
	}
	l.base(1, true)
	if got, want := has(), [][2]uint32{{1, 420}, {17, 0}}; !reflect.DeepEqual(got, want) {
		t.Errorf("bases %v, want %v", got, want)
	}
}

// TestBasesAreBounded: neither many idle functions nor busy ones have more than
// their share, and what is dropped first is useless.
func TestBasesAreBounded(t *testing.T) {
	r := New(smallest(t))
	l := tell(r)
	for range 2000 {
		l.steps(8, 3)
		l.base(8, true)
	}
	if n := len(r.rings[0].bases); n > 200 {
		t.Errorf("one function has %d bases beside a ring of 128 steps", n)
	}
	if n := r.counts.basesDropped.Load(); n != 0 {
		t.Errorf("%d bases were dropped for want of room", n)
	}
	for d := range uint32(20_000) {
		l.steps(d, 1)
		l.base(d, true)
	}
	sum, held := int64(0), 0
	for i := range r.rings {
		g := &r.rings[i]
		for _, h := range g.bases {
			sum += h.size
		}
		held += len(g.bases)
		if len(g.newest) > len(g.bases) {
			t.Errorf("ring %d knows %d newest of %d bases", i, len(g.newest), len(g.bases))
		}
	}
	if sum != r.baseBytes.Load() || sum > r.maxBases || held < int(r.maxBases/baseBytes(&core.Base{}))*9/10 {
		t.Errorf("%d bases with %d bytes; counted %d, bound %d", held, sum, r.baseBytes.Load(), r.maxBases)
	}
	if r.counts.basesDropped.Load() == 0 {
		t.Error("no dropped base was counted")
	}
	recent := 0
	for _, b := range dumped(t, r).Bases {
		if b.Domain >= 19_000 {
			recent++
		}
	}
	if recent < 900 {
		t.Errorf("of the 1000 latest functions %d have their bases", recent)
	}
}

// TestBaseBytesIsNoLessThanABaseTakes holds the estimate against the types.
func TestBaseBytesIsNoLessThanABaseTakes(t *testing.T) {
	one := baseBytes(&core.Base{Live: make([]core.BaseExecution, 1)}) - baseBytes(&core.Base{})
	if is := int64(reflect.TypeFor[core.BaseExecution]().Size()); one < is {
		t.Errorf("an execution in a base is counted as %d bytes and takes %d", one, is)
	}
	fixed := int64(reflect.TypeFor[core.Base]().Size() + reflect.TypeFor[core.Spec]().Size() + reflect.TypeFor[core.BaseAutoscale]().Size())
	if n := baseBytes(&core.Base{}); n < fixed {
		t.Errorf("a base is counted as %d bytes and takes %d", n, fixed)
	}
	if s := reflect.TypeFor[core.Step]().Size(); s != stepBytes {
		t.Errorf("a step has %d bytes", s)
	}
}

// TestDumpsWhileEverybodyRecords: whatever is dumped meanwhile has each function's
// steps without a gap, and a base for each of them.
func TestDumpsWhileEverybodyRecords(t *testing.T) {
	o := smallest(t)
	o.Bytes = 1 << 20
	r := New(o)
	if err := r.Record(t.TempDir(), MinMaxBytes); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	stop := make(chan struct{})
	var tellers sync.WaitGroup
	for d := range uint32(12) {
		tellers.Go(func() {
			l := tell(r)
			l.base(d+1, true)
			rnd := rand.New(rand.NewPCG(1, uint64(d)))
			for {
				select {
				case <-stop:
					return
				default:
				}
				l.steps(d+1, rnd.IntN(200))
				l.base(d+1, rnd.IntN(4) > 0)
				time.Sleep(time.Duration(rnd.IntN(200)) * time.Microsecond)
			}
		})
	}
	for range 12 {
		got := dumped(t, r)
		r.State()
		inOrder(t, got.Steps)
		first := map[uint32]uint32{}
		for i := range got.Steps {
			if s := &got.Steps[i]; first[s.Domain] == 0 {
				first[s.Domain] = s.Seq
			}
		}
		for _, b := range got.Bases {
			if from := first[b.Domain]; from != 0 && b.Seq+1 < from {
				t.Fatalf("the steps of function %d begin with %d; there is a base at %d", b.Domain, from, b.Seq)
			}
		}
	}
	close(stop)
	tellers.Wait()
	got := dumped(t, r)
	based := map[uint32]bool{}
	for _, b := range got.Bases {
		based[b.Domain] = based[b.Domain] || b.Whole
	}
	for d, n := range inOrder(t, got.Steps) {
		if n > 1200 && !based[d] {
			t.Errorf("function %d has %d steps and no base", d, n)
		}
	}
}

func TestOff(t *testing.T) {
	o := smallest(t)
	o.Bytes = 0
	r := New(o)
	dir := t.TempDir()
	if err := r.Record(dir, MinMaxBytes); err != nil {
		t.Fatal(err)
	}
	l := tell(r)
	l.base(1, true)
	l.steps(1, 10)
	if err := r.Dump(io.Discard, ""); !errors.Is(err, ErrOff) {
		t.Errorf("a dump of nothing: %v", err)
	}
	if s := r.State(); s.Enabled || s.Steps != 0 || s.RecordedSteps != 10 || !s.Recording.Active {
		t.Errorf("state %+v", s)
	}
	r.Close()
	if got := recorded(t, dir); len(got) != 1 || len(got[0].Steps) != 10 || len(got[0].Bases) != 1 {
		t.Errorf("files %+v", got)
	}
	var none *Recorder
	none.Close()
	none.OnPanic(new(bool))
	if _, err := none.DumpFile("x"); !errors.Is(err, ErrOff) || none.State().Enabled {
		t.Error("a recorder that is not there is on")
	}
}

func TestDumpFilesArePrivateAndFew(t *testing.T) {
	r := New(smallest(t))
	tell(r).steps(1, 10)
	names := map[string]bool{}
	for range dumpsKept + 5 {
		name, err := r.DumpFile("test")
		if err != nil || names[name] {
			t.Fatalf("dump %q: %v", name, err)
		}
		names[name] = true
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("%v, mode %v", err, info.Mode())
		}
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, file); len(got.Steps) != 10 {
			t.Errorf("%d steps", len(got.Steps))
		}
		_ = file.Close()
	}
	if left, err := list(r.o.DumpDir, dumpName); err != nil || len(left) != dumpsKept {
		t.Errorf("%d dumps are left, %v", len(left), err)
	}
}

func TestAPanicIsDumped(t *testing.T) {
	r := New(smallest(t))
	tell(r).steps(1, 10)
	for range 3 { // one dump for them all
		func() {
			defer func() {
				if p := recover(); p != "out of order" {
					t.Errorf("the panic became %v", p)
				}
			}()
			r.Guarded(func() { panic("out of order") })()
		}()
	}
	r.Guarded(func() {})()
	left, err := list(r.o.DumpDir, dumpName)
	if err != nil || len(left) != 1 {
		t.Fatalf("%d dumps, %v", len(left), err)
	}
	file, err := os.Open(left[0].path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if got := read(t, file); got.Header.Why != "panic" || len(got.Steps) != 10 {
		t.Errorf("dumped %+v", got.Header)
	}
}

// TestAPanicWithTheRingLockedEndsNonetheless: a dump that cannot be made does not
// keep the process from dying.
func TestAPanicWithTheRingLockedEndsNonetheless(t *testing.T) {
	r := New(smallest(t))
	r.patience = 10 * time.Millisecond
	r.rings[3].mu.Lock()
	done := make(chan struct{})
	go func() { r.OnPanic(new(bool)); close(done) }()
	select {
	case <-done:
	case <-time.After(hangGuard):
		t.Fatal("it waits for ever")
	}
	r.rings[3].mu.Unlock()
}

// A part that has gone leaves nothing once its steps are overwritten; what it has until
// then can be replayed, and its late bases stay no longer.
func TestAPartThatHasGoneIsForgotten(t *testing.T) {
	r := New(smallest(t))
	goes, stays := r.Part(), r.Part()
	a, b := tell(r), tell(r)
	base := func(p *Part, l *teller, domain uint32) {
		p.Base(&core.Base{Domain: domain, Seq: l.seqs[domain], Wall: l.wall, Whole: true, Spec: &core.Spec{Name: "f"}})
	}
	bases := func() (domains []uint32) {
		for _, b := range dumped(t, r).Bases {
			domains = append(domains, b.Domain)
		}
		return domains
	}
	base(goes, a, 1)
	base(goes, a, 9) // the same ring, and idle
	base(stays, b, 17)
	a.steps(1, 20)
	goes.Gone()
	if got := bases(); !slices.Equal(got, []uint32{1, 9, 17}) {
		t.Errorf("before its steps are overwritten: bases of %v", got)
	}
	base(goes, a, 1) // late
	b.steps(25, 200)
	for range 20 { // each looks at two of others
		base(stays, b, 25)
	}
	if got := slices.Compact(bases()); !slices.Equal(got, []uint32{17, 25}) {
		t.Errorf("after that: bases of %v", got)
	}
	if n := len(r.rings[1].newest); n != 2 {
		t.Errorf("the newest bases of %d functions are known", n)
	}
	(*Recorder)(nil).Part().Gone() // nothing is recorded
}
