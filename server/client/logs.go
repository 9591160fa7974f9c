package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// MaxLogTail is the most lines that one answer has.
const MaxLogTail = 10_000

// Logs gets the last lines that a function's instances wrote, at most tail, and of
// those the ones from a time on; the zero time is any.
func (c *Client) Logs(ctx context.Context, name string, tail int, since time.Time) ([]byte, error) {
	q := url.Values{"tail": {strconv.Itoa(tail)}}
	if !since.IsZero() {
		q.Set("since", strconv.FormatInt(since.UnixMilli(), 10))
	}
	return c.do(ctx, request{method: "GET", path: functionPath(name) + "/logs", query: q})
}

// LogFollower reads a function's log again and again. Its fields are to be set
// before Follow, which is called once.
type LogFollower struct {
	Client *Client
	Name   string
	Since  time.Time // the first line's; zero = any that is kept
	Tail   int       // how many of those that are there at the beginning are shown
	// Lines gets each line once, in the order in which they were written, without
	// its end.
	Lines func([]string) error
	// Note is told that the server cannot be reached, and that lines are missing
	// because too many came between two looks.
	Note func(string)

	seen  map[string][]string // by instance and stream, what the last look has shown
	pause time.Duration       // between two looks; 0 = 500 ms
}

const (
	// logLate is how late a line may come after others with a later time: those of
	// several pods are not read at the same moment.
	logLate = 5 * time.Second
	// logTries is how many looks in succession may fail.
	logTries = 8
)

// Follow goes on until ctx ends or the server has refused, or could not be
// reached 8 times in succession, with growing pauses of half a minute all in all.
func (f *LogFollower) Follow(ctx context.Context) error {
	if f.pause == 0 {
		f.pause = 500 * time.Millisecond
	}
	first, failures, since := true, 0, f.Since
	for {
		wait := f.pause
		text, err := f.Client.Logs(ctx, f.Name, MaxLogTail, since)
		switch {
		case err == nil:
			failures = 0
			fresh, missing := f.fresh(splitLines(text), since)
			if missing {
				f.Note("lines are missing: more came between two looks than the server keeps")
			}
			if first {
				fresh, first = fresh[max(len(fresh)-f.Tail, 0):], false
			}
			if len(fresh) > 0 {
				if err := f.Lines(fresh); err != nil {
					return err
				}
			}
			if last := f.newest(); last.Add(-logLate).After(since) {
				since = last.Add(-logLate)
			}
		case ctx.Err() != nil:
			return ctx.Err()
		case !mayPass(err) || failures == logTries-1:
			return err
		default:
			wait = min(f.pause<<failures, 20*f.pause)
			failures++
			f.Note(err.Error() + "; trying again")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// mayPass tells a failure that may be over soon from a refusal.
func mayPass(err error) bool {
	var answer *Error
	return !errors.As(err, &answer) || answer.Status >= http.StatusInternalServerError || answer.Status == http.StatusTooManyRequests
}

// fresh is what of a look has not been shown, in its order. Each stream of an
// instance only grows at its end and loses lines at its beginning: what both looks
// have is the longest end of the one before that the new one begins with. missing
// says that a stream has nothing left of what it had, although it was not too old.
func (f *LogFollower) fresh(look []string, since time.Time) (lines []string, missing bool) {
	now := map[string][]string{}
	for _, line := range look {
		key := streamOf(line)
		now[key] = append(now[key], line)
	}
	left := map[string]int{} // lines that have been shown, by stream
	for key, window := range now {
		before := f.seen[key]
		left[key] = overlap(before, window)
		if left[key] == 0 && len(before) > 0 && !timeOf(before[len(before)-1]).Before(since) {
			missing = true
		}
	}
	for _, line := range look {
		if key := streamOf(line); left[key] > 0 {
			left[key]--
		} else {
			lines = append(lines, line)
		}
	}
	f.seen = now
	return lines, missing
}

// overlap is the length of the longest end of before that now begins with.
func overlap(before, now []string) int {
	for n := min(len(before), len(now)); n > 0; n-- {
		same := true
		for i, line := range before[len(before)-n:] {
			if same = line == now[i]; !same {
				break
			}
		}
		if same {
			return n
		}
	}
	return 0
}

// newest is the latest time of the last look; zero without one.
func (f *LogFollower) newest() (at time.Time) {
	for _, window := range f.seen {
		if t := timeOf(window[len(window)-1]); t.After(at) {
			at = t
		}
	}
	return at
}

// A line is its time, its instance, its stream and its text.
func streamOf(line string) string {
	parts := strings.SplitN(line, " ", 4)
	if len(parts) < 3 {
		return ""
	}
	return parts[1] + " " + parts[2]
}

func timeOf(line string) time.Time {
	text, _, _ := strings.Cut(line, " ")
	at, _ := time.Parse(time.RFC3339, text)
	return at
}

func splitLines(text []byte) []string {
	if len(text) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}
