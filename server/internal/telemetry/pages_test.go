package telemetry

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"
)

// One page is made at a time, for many who ask at once, and nobody gets one that
// was begun before they asked.
func TestPagesAreMadeOneAtATimeAndShared(t *testing.T) {
	const callers, each = 50, 4
	var happened, making, made atomic.Int32
	s := &pages{make: func(w io.Writer, _ int) error {
		if making.Add(1) > 1 {
			t.Error("two pages are made at once")
		}
		_, err := fmt.Fprint(w, strings.Repeat("x", int(happened.Load())))
		time.Sleep(5 * time.Millisecond) // others ask meanwhile
		made.Add(1)
		making.Add(-1)
		return err
	}}
	var asking sync.WaitGroup
	for range callers {
		asking.Go(func() {
			for range each {
				before := int(happened.Add(1))
				if p, err := s.current(formText); err != nil || p.plain < before {
					t.Errorf("a page with %d of at least %d events: %v", p.plain, before, err)
				}
			}
		})
	}
	asking.Wait()
	if n := made.Load(); n > callers*each/2 {
		t.Errorf("%d pages were made for %d callers that asked %d times", n, callers, each)
	}
}

// A page that could not be made leaves the next one in order.
func TestPagesAfterAFailure(t *testing.T) {
	fails := true
	s := &pages{make: func(w io.Writer, _ int) error {
		if _, err := fmt.Fprint(w, "x"); err != nil || fails {
			return errors.Join(err, errors.New("no"))
		}
		return nil
	}}
	if _, err := s.current(formText); err == nil {
		t.Error("no error")
	}
	fails = false
	if p, err := s.current(formText); err != nil || p.plain != 1 {
		t.Errorf("%d bytes, %v", p.plain, err)
	}
}

// Slow readers take the places of one address, and no more. Who finds none
// waits, and is refused in the end, or at once if too many wait.
func TestSlowScrapesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMetrics()
		scrape, elsewhere := m.Scraper(), m.Scraper()
		slow := make([]fasthttp.RequestCtx, maxReaders)
		for i := range slow {
			scrape(&slow[i])
		}
		one := func(scrape fasthttp.RequestHandler) (status int, after time.Duration) {
			began := time.Now()
			var ctx fasthttp.RequestCtx
			scrape(&ctx)
			defer ctx.Response.Reset() // as at the end of a connection
			return ctx.Response.StatusCode(), time.Since(began)
		}
		if status, after := one(scrape); status != 503 || after != readerWait {
			t.Errorf("one more: %d after %v", status, after)
		}
		var waiting sync.WaitGroup
		for range maxWaiting {
			waiting.Go(func() { one(scrape) })
		}
		synctest.Wait()
		if status, after := one(scrape); status != 503 || after != 0 {
			t.Errorf("while many wait: %d after %v", status, after)
		}
		waiting.Wait()
		if status, _ := one(elsewhere); status != 200 {
			t.Errorf("at another address: %d", status)
		}
		time.AfterFunc(time.Second, func() { slow[0].Response.Reset() })
		if status, after := one(scrape); status != 200 || after != time.Second {
			t.Errorf("when another is done: %d after %v", status, after)
		}
		if status, _ := one(scrape); status != 200 {
			t.Errorf("after that one: %d", status)
		}
	})
}
