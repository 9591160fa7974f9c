package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// logServer has a log that keeps its last lines, and breaks when told.
type logServer struct {
	mu     sync.Mutex
	lines  []string
	keeps  int
	broken int // looks that fail, from now on
	status int // of those; 0 = the connection is cut
	looks  int
}

func (s *logServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks++
	if s.broken > 0 {
		s.broken--
		if s.status == 0 {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(s.status)
		return
	}
	since, _ := strconv.ParseInt(r.URL.Query().Get("since"), 10, 64)
	for _, line := range s.lines {
		if timeOf(line).UnixMilli() >= since {
			fmt.Fprintln(w, line)
		}
	}
}

// write adds lines: "SECOND INSTANCE TEXT".
func (s *logServer) write(lines ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range lines {
		var second int
		var instance, text string
		fmt.Sscan(line, &second, &instance, &text)
		at := time.UnixMilli(1_700_000_000_000).Add(time.Duration(second) * time.Second).UTC()
		s.lines = append(s.lines, at.Format("2006-01-02T15:04:05.000Z")+" "+instance+" stdout "+text)
	}
	s.lines = s.lines[max(len(s.lines)-s.keeps, 0):]
}

// following runs a follower against a server; next waits for so many lines more.
func following(t *testing.T, s *logServer, tail int) (next func(n int) []string, notes *[]string, end func() error) {
	t.Helper()
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	c, err := New(web.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	got, ended := make(chan string, 1000), make(chan error, 1)
	notes = &[]string{}
	f := &LogFollower{
		Client: c, Name: "f", Tail: tail, pause: time.Millisecond,
		Note: func(text string) { *notes = append(*notes, text) },
		Lines: func(lines []string) error {
			for _, l := range lines {
				got <- l[strings.LastIndex(l, " ")+1:]
			}
			return nil
		},
	}
	go func() { ended <- f.Follow(ctx) }()
	next = func(n int) (lines []string) {
		t.Helper()
		for range n {
			select {
			case l := <-got:
				lines = append(lines, l)
			case <-time.After(30 * time.Second):
				t.Fatalf("no line after %v", lines)
			}
		}
		return lines
	}
	end = func() error {
		t.Helper()
		cancel()
		select {
		case err := <-ended:
			if len(got) > 0 {
				t.Errorf("%q came unasked", <-got)
			}
			return err
		case <-time.After(30 * time.Second):
			t.Fatal("it goes on")
			return nil
		}
	}
	return next, notes, end
}

func TestFollowedLogHasEachLineOnceInOrder(t *testing.T) {
	s := &logServer{keeps: 100}
	s.write("0 a one", "0 a two", "1 a three", "1 b four")
	next, notes, end := following(t, s, 3)
	if got := next(3); !slices.Equal(got, []string{"two", "three", "four"}) {
		t.Errorf("at first: %v", got)
	}
	s.write("1 a same", "1 a same", "20 a five", "20 b six")
	if got := next(4); !slices.Equal(got, []string{"same", "same", "five", "six"}) {
		t.Errorf("then: %v", got)
	}
	for i := range 50 {
		s.write(fmt.Sprintf("%d a n%d", 20+i/5, i), fmt.Sprintf("%d b m%d", 20+i/5, i))
		if got := next(2); !slices.Equal(got, []string{fmt.Sprintf("n%d", i), fmt.Sprintf("m%d", i)}) {
			t.Fatalf("round %d: %v", i, got)
		}
	}
	s.write("26 c late") // of another pod, read later
	if got := next(1); got[0] != "late" {
		t.Errorf("a late line: %v", got)
	}
	if err := end(); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	if len(*notes) > 0 {
		t.Errorf("notes: %v", *notes)
	}
}

func TestFollowedLogGoesOnAfterAnOutage(t *testing.T) {
	for _, status := range []int{0, 503} {
		s := &logServer{keeps: 100, status: status}
		s.write("0 a one")
		next, notes, end := following(t, s, 10)
		next(1)
		s.mu.Lock()
		s.broken = logTries - 1
		s.mu.Unlock()
		s.write("0 a two")
		if got := next(1); got[0] != "two" {
			t.Errorf("after an outage: %v", got)
		}
		_ = end()
		if len(*notes) == 0 || len(*notes) > logTries-1 { // the transport tries cut connections again
			t.Errorf("notes: %q", *notes)
		}
	}
}

func TestFollowedLogGivesUp(t *testing.T) {
	for status, looks := range map[int]int{0: logTries, 500: logTries, 404: 1, 401: 1} {
		s := &logServer{keeps: 100, status: status, broken: 1000}
		web := httptest.NewServer(s)
		c, err := New(web.URL, "")
		if err != nil {
			t.Fatal(err)
		}
		f := &LogFollower{Client: c, Name: "f", pause: time.Millisecond, Note: func(string) {}, Lines: func([]string) error { return nil }}
		if err := f.Follow(context.Background()); err == nil {
			t.Errorf("status %d: no error", status)
		}
		web.Close()
		if s.looks != looks && status != 0 { // a cut connection may be tried again by the transport
			t.Errorf("status %d: %d looks, want %d", status, s.looks, looks)
		}
	}
}

func TestFollowedLogSaysThatLinesAreMissing(t *testing.T) {
	s := &logServer{keeps: 3}
	s.write("0 a one")
	next, notes, end := following(t, s, 10)
	next(1)
	s.write("0 a two", "0 a three", "0 a four", "0 a five")
	if got := next(3); !slices.Equal(got, []string{"three", "four", "five"}) {
		t.Errorf("after a gap: %v", got)
	}
	_ = end()
	if len(*notes) != 1 || !strings.Contains((*notes)[0], "missing") {
		t.Errorf("notes: %q", *notes)
	}
}
