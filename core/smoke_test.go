package core

import (
	"testing"
	"time"
)

type echo struct{}

func (echo) Dispatch(t Task) { t.Complete(Outcome{Status: Success, Output: t.Input}) }

type seqIDs struct{ n uint64 }

func (s *seqIDs) NewID() ID {
	s.n++
	var id ID
	for i := range 8 {
		id[15-i] = byte(s.n >> (8 * i))
	}
	return id
}

type realClock struct{ start time.Time }

func (c realClock) Now() Instant {
	d := time.Since(c.start)
	return Instant{Wall: c.start.UnixNano() + int64(d), Mono: int64(d)}
}
func (c realClock) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }

type waitOnce struct{ got []Snapshot }

func (w *waitOnce) Wake(s Snapshot) { w.got = append(w.got, s) }

func TestEchoFlow(t *testing.T) {
	c, err := New(Config{}, realClock{time.Now()}, &seqIDs{}, echo{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	name, img := "f", "i"
	spec, err := ResolveSpec(SpecInput{Name: &name, Image: &img})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Register(spec); err != nil {
		t.Fatal(err)
	}
	w := &waitOnce{}
	res, err := c.Submit(&Request{Function: "f", Sync: true, Input: []byte(`{"a":1}`), Waiter: w})
	if err != nil || len(w.got) != 1 || w.got[0].Status != Success || string(w.got[0].Output) != `{"a":1}` {
		t.Fatal(res, err, w.got)
	}
}

func BenchmarkFullCycle(b *testing.B) {
	c, _ := New(Config{TTL: time.Second, CleanupTTL: time.Second}, realClock{time.Now()}, &seqIDs{}, echo{}, nil)
	name, img := "f", "i"
	spec, _ := ResolveSpec(SpecInput{Name: &name, Image: &img})
	c.Register(spec)
	in := []byte(`{"a":1}`)
	b.ReportAllocs()
	for b.Loop() {
		c.Submit(&Request{Function: "f", Input: in})
	}
}
