package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"simplane/core"
)

// hangGuard ends a test that waits for something that never comes.
const hangGuard = 30 * time.Second

// heldLog is a Log whose commits each wait for a word.
type heldLog struct {
	gate chan error // what the next commit returns
	// What has been committed.
	mu      sync.Mutex
	frames  []Frame
	removed []Place
	batches []int
	space   Space
	claimed int // calls of Reclaim
}

func (l *heldLog) Commit(_ context.Context, b *Batch) error {
	if err := <-l.gate; err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for f := range b.Frames() {
		l.frames = append(l.frames, Frame{f.Place, append([]byte(nil), f.Value...)})
	}
	l.removed = append(l.removed, b.Removed()...)
	l.batches = append(l.batches, b.Len())
	return nil
}

func (l *heldLog) Read(_ context.Context, each func(Frame) error) error {
	for _, f := range l.frames {
		if err := each(f); err != nil {
			return err
		}
	}
	return nil
}

func (l *heldLog) Next() uint64 { return uint64(len(l.frames) + 1) }
func (l *heldLog) Close() error { return nil }

func (l *heldLog) Space() (Space, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.space, nil
}

func (l *heldLog) Reclaim(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.claimed++
	l.space.Used = 0
	return nil
}

func start(t *testing.T, l *heldLog, change ...func(*Options)) *Journal {
	o := Options{Log: l, Timeout: hangGuard, Advanced: func(core.LSN) {}, Fatal: func(err error) { t.Error(err) }, Logger: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&o)
	}
	return Start(o)
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(hangGuard); !holds(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain: " + what)
		}
	}
}

func (j *Journal) inFlight() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.flight != nil
}

// All that is appended while a commit runs is the next commit, and nothing
// waits for more.
func TestWhatComesDuringACommitIsTheNextOne(t *testing.T) {
	l := &heldLog{gate: make(chan error)}
	var told []core.LSN
	advanced := make(chan struct{}, 10)
	j := start(t, l, func(o *Options) {
		o.Advanced = func(lsn core.LSN) { told = append(told, lsn); advanced <- struct{}{} }
	})
	fact := func(n int) *core.Fact { return &core.Fact{Kind: core.FactStarted, Function: "f", Attempt: int32(n)} }
	if lsn := j.Append(7, fact(1)); lsn != 1 {
		t.Errorf("the first place is %d", lsn)
	}
	eventually(t, "the first commit begins", j.inFlight)
	for n := 2; n <= 50; n++ {
		j.Append(core.Partition(n), fact(n))
	}
	j.Release(7, 1)
	waits := make(chan error, 2)
	for _, lsn := range []core.LSN{1, 50} {
		go func() { waits <- j.Wait(context.Background(), lsn) }()
	}
	select {
	case err := <-waits:
		t.Fatalf("a wait is over before anything is durable: %v", err)
	default:
	}
	if j.Durable() != 0 || j.Lag() != 50 {
		t.Errorf("durable %d, lag %d", j.Durable(), j.Lag())
	}
	l.gate <- nil
	if err := <-waits; err != nil {
		t.Error(err)
	}
	if d := j.Durable(); d != 1 {
		t.Errorf("durable up to %d after the first commit", d)
	}
	<-advanced
	l.gate <- nil
	if err := <-waits; err != nil {
		t.Error(err)
	}
	<-advanced
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(l.batches, told) != "[1 49] [1 50]" {
		t.Errorf("batches %v, told %v", l.batches, told)
	}
	if fmt.Sprint(l.removed) != "[{7 1}]" {
		t.Errorf("removed %v", l.removed)
	}
	for i, f := range l.frames {
		if got, err := core.DecodeFact(f.Value); err != nil || got.Attempt != int32(i+1) || f.LSN != uint64(i+1) {
			t.Errorf("frame %d is %+v, %v", i, got, err)
		}
	}
}

// Waiting ends with the timeout, and the commit goes on.
func TestWaitEndsWithTheTimeout(t *testing.T) {
	l := &heldLog{gate: make(chan error)}
	j := start(t, l, func(o *Options) { o.Timeout = time.Millisecond })
	lsn := j.Append(0, &core.Fact{Kind: core.FactPurged})
	if err := j.Wait(context.Background(), lsn); !errors.Is(err, ErrUnavailable) {
		t.Errorf("wait for a commit that hangs: %v", err)
	}
	l.gate <- nil
	eventually(t, "it is durable", func() bool { return j.Durable() == lsn })
	if err := j.Wait(context.Background(), lsn); err != nil {
		t.Error(err)
	}
	_ = j.Close()
}

func TestAFailedCommitIsFatal(t *testing.T) {
	l := &heldLog{gate: make(chan error, 1)}
	ended := make(chan error, 1)
	j := start(t, l, func(o *Options) { o.Fatal = func(err error) { ended <- err; select {} } })
	l.gate <- errors.New("no")
	lsn := j.Append(0, &core.Fact{Kind: core.FactPurged})
	if err := <-ended; err == nil {
		t.Error("no error")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := j.Wait(ctx, lsn); !errors.Is(err, ErrUnavailable) || j.Durable() != 0 {
		t.Errorf("after a failed commit: %v, durable up to %d", err, j.Durable())
	}
}

// Without room, what has been removed is given back: nothing else would.
func TestRoomComesBack(t *testing.T) {
	l := &heldLog{gate: make(chan error, 100), space: Space{Used: 2000}}
	for range 100 {
		l.gate <- nil
	}
	j := start(t, l, func(o *Options) { o.MaxBytes, o.LookEvery = 1000, time.Millisecond })
	eventually(t, "there is room", j.Room)
	if l.mu.Lock(); l.claimed == 0 {
		t.Error("nothing was reclaimed")
	}
	l.mu.Unlock()
	l.mu.Lock()
	l.space.Short = true
	l.mu.Unlock()
	eventually(t, "a full disk leaves no room", func() bool { return !j.Room() })
	_ = j.Close()
}

// Many append and release at once: each place is given once, each fact is
// committed once, in order, and a wait is never over too early.
func TestManyAppendersAtOnce(t *testing.T) {
	l := &heldLog{gate: make(chan error)}
	stop := make(chan struct{})
	go func() {
		for {
			select {
			case l.gate <- nil:
			case <-stop:
				return
			}
		}
	}()
	j := start(t, l)
	var all sync.WaitGroup
	for n := range 32 {
		all.Go(func() {
			for i := range 200 {
				lsn := j.Append(core.Partition(n), &core.Fact{Kind: core.FactAccepted, Attempt: int32(i + 1)})
				if err := j.Wait(context.Background(), lsn); err != nil || j.Durable() < lsn {
					t.Errorf("%v, durable up to %d, not %d", err, j.Durable(), lsn)
				}
				j.Release(core.Partition(n), lsn)
			}
		})
	}
	all.Wait()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	close(stop)
	if len(l.frames) != 6400 || len(l.removed) != 6400 {
		t.Errorf("%d frames, %d removed", len(l.frames), len(l.removed))
	}
	for i, f := range l.frames {
		if f.LSN != uint64(i+1) {
			t.Fatalf("frame %d has place %d", i, f.LSN)
		}
	}
}
