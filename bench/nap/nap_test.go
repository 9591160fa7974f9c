package nap

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestSleepIsNeverTooShort(t *testing.T) {
	timer, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer timer.Close()
	for _, d := range []time.Duration{0, time.Microsecond, 3 * time.Millisecond} {
		began := time.Now()
		if err := timer.Sleep(d); err != nil || time.Since(began) < d {
			t.Errorf("slept %v of %v: %v", time.Since(began), d, err)
		}
		began = time.Now()
		if err := timer.SleepUnless(context.Background(), d); err != nil || time.Since(began) < d {
			t.Errorf("slept %v of %v: %v", time.Since(began), d, err)
		}
	}
}

func TestSleepEndsWithItsContext(t *testing.T) {
	timer, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer timer.Close()
	reason := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	go cancel(reason)
	if err := timer.SleepUnless(ctx, 24*time.Hour); !errors.Is(err, reason) {
		t.Errorf("got %v, want the context's cause", err)
	}
}
