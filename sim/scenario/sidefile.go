package scenario

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"simplane/core/strictyaml"
)

// Side files are CSV with these columns. Times are seconds with up to nine
// decimals; lines that begin with # are comments.
var (
	callColumns    = []string{"function", "mode", "at", "inputBytes", "took"} // the last may be left out
	countColumns   = []string{"function", "counts"}
	attemptColumns = []string{"function", "at", "took", "ending", "retryAfter", "cold"}
)

const (
	maxMinutes   = int(maxTime / time.Minute)
	maxSideBytes = 256 << 20
	sideBuffer   = 1 << 16
)

// stream is whose calls a row of a side file is one of.
type stream struct{ function, mode string }

// readSideFiles reads the files that a scenario in dir names, each once.
func (s *Scenario) readSideFiles(dir string) error {
	calls, attempts, counts := map[string]map[stream][]Call{}, map[string]map[string][]Attempt{}, map[string]map[string][]int32{}
	for i := range s.Load {
		l := &s.Load[i]
		name := l.Arrivals.File
		if name == "" {
			continue
		}
		if l.Arrivals.Process == "trace" {
			if counts[name] == nil {
				var err error
				if counts[name], err = s.readCounts(dir, name, l.Arrivals.Line); err != nil {
					return err
				}
			}
			if l.Arrivals.Counts = counts[name][l.Function]; len(l.Arrivals.Counts) == 0 {
				return s.problem(l.Arrivals.Line, "load[%d]: %s has no counts of %s; remove the load, or name another file", i, name, l.Function)
			}
			continue
		}
		if calls[name] == nil {
			var err error
			if calls[name], err = s.readCalls(dir, name, l.Arrivals.Line); err != nil {
				return err
			}
		}
		if l.Arrivals.Calls = calls[name][stream{l.Function, l.Mode}]; len(l.Arrivals.Calls) == 0 {
			return s.problem(l.Arrivals.Line, "load[%d]: %s has no calls of %s with mode %s; remove the load, or name another file", i, name, l.Function, l.Mode)
		}
	}
	for i := range s.Functions {
		f := &s.Functions[i]
		name := f.Behavior.AttemptsFile
		if name == "" {
			continue
		}
		if attempts[name] == nil {
			var err error
			if attempts[name], err = s.readAttempts(dir, name, f.Line); err != nil {
				return err
			}
		}
		if f.Behavior.Attempts = attempts[name][f.Name]; len(f.Behavior.Attempts) == 0 {
			return s.problem(f.Line, "functions[%d]: %s has no attempts of %s; give latency in place of attempts, or name another file", i, name, f.Name)
		}
	}
	return nil
}

// Unread is an error if a side file that the scenario names has not been read, as
// after Parse.
func (s *Scenario) Unread() error {
	for i := range s.Load {
		a := &s.Load[i].Arrivals
		switch {
		case a.Exact() && len(a.AllCalls()) == 0:
			return s.problem(a.Line, "load[%d]: the calls in %s have not been read", i, shown(a.File))
		case a.Process == "trace" && len(a.Counts) == 0:
			return s.problem(a.Line, "load[%d]: the counts in %s have not been read", i, shown(a.File))
		}
	}
	for i := range s.Functions {
		if b := &s.Functions[i].Behavior; b.AttemptsFile != "" && len(b.Attempts) == 0 {
			return s.problem(s.Functions[i].Line, "functions[%d]: the attempts in %s have not been read", i, shown(b.AttemptsFile))
		}
	}
	return nil
}

func (s *Scenario) problem(line int, format string, args ...any) error {
	p := problems{File: s.File}
	p.Add(line, format, args...)
	return p.Err()
}

func (s *Scenario) readCalls(dir, name string, line int) (map[stream][]Call, error) {
	found := map[stream]*[]Call{}
	err := s.readSide(dir, name, line, callColumns, 1, func(r *sideRow) {
		of := stream{r.fields[0], r.choice(1, "invoke", "enqueue")}
		c := Call{At: r.seconds(2), Input: int32(r.whole(3, MaxCallInput))}
		if len(r.fields) > 4 && r.fields[4] != "" {
			c.Timed, c.Took = true, r.seconds(4)
		}
		calls := found[of]
		if calls == nil {
			of.function, calls = r.text(0), &[]Call{}
			found[of] = calls
		}
		if had := *calls; len(had) > 0 && had[len(had)-1].At > c.At {
			r.problem("its time is before that of an earlier call of %s; sort the rows by time", of.function)
		}
		*calls = append(*calls, c)
	})
	all := make(map[stream][]Call, len(found))
	for of, calls := range found {
		all[of] = *calls
	}
	return all, err
}

// readCounts reads a function's counts for each minute: whole numbers with blanks
// between them, where 12*5 is twelve minutes with five calls each.
func (s *Scenario) readCounts(dir, name string, line int) (map[string][]int32, error) {
	all := map[string][]int32{}
	err := s.readSide(dir, name, line, countColumns, 0, func(r *sideRow) {
		fn := r.text(0)
		if all[fn] != nil {
			r.problem("a second row of %s; remove one", fn)
			return
		}
		all[fn] = r.counts(1)
	})
	return all, err
}

func (s *Scenario) readAttempts(dir, name string, line int) (map[string][]Attempt, error) {
	all := map[string][]Attempt{}
	err := s.readSide(dir, name, line, attemptColumns, 0, func(r *sideRow) {
		fn := r.text(0)
		a := Attempt{At: r.seconds(1), Took: r.seconds(2), RetryAfter: r.seconds(4), Cold: r.choice(5, "true", "false") == "true"}
		a.Ending = Ending(max(0, slices.Index(endings, r.choice(3, endings...))))
		if had := all[fn]; len(had) > 0 && had[len(had)-1].At > a.At {
			r.problem("its time is before that of an earlier attempt of %s; sort the rows by time", fn)
		}
		all[fn] = append(all[fn], a)
	})
	return all, err
}

// readSide reads a side file row by row; line is where the scenario names it. Of
// the columns the last few, so many as may be left out.
func (s *Scenario) readSide(dir, name string, line int, columns []string, optional int, row func(*sideRow)) error {
	if !filepath.IsLocal(name) || filepath.Base(name) != name {
		return s.problem(line, "%s is not the name of a file beside the scenario; put it there, and write its name only", shown(name))
	}
	path := filepath.Join(dir, name)
	f, err := os.Open(path)
	if err != nil {
		var pathErr *os.PathError
		if errors.As(err, &pathErr) {
			err = pathErr.Err
		}
		return s.problem(line, "cannot read %s: %v; put the file beside the scenario", shown(name), err)
	}
	defer f.Close()
	in := &io.LimitedReader{R: f, N: maxSideBytes + 1}
	r := &sideRow{problems: problems{File: path}, csv: csv.NewReader(bufio.NewReaderSize(in, sideBuffer))}
	r.csv.Comment, r.csv.ReuseRecord, r.csv.FieldsPerRecord = '#', true, 0 // as many as the first row
	r.readAll(columns, optional, row)
	if in.N <= 0 {
		r.problems = problems{File: path}
		r.Add(1, "larger than %d MiB; cut the recording shorter", maxSideBytes>>20)
	}
	return r.Err()
}

// sideRow is a row of a side file, with what is wrong with the file.
type sideRow struct {
	problems
	csv     *csv.Reader
	columns []string
	fields  []string
}

func (r *sideRow) readAll(columns []string, optional int, row func(*sideRow)) {
	r.columns = columns
	head, err := r.csv.Read()
	needed := columns[:len(columns)-optional]
	if err == nil && !(len(head) >= len(needed) && len(head) <= len(columns) && slices.Equal(head, columns[:len(head)])) {
		r.Add(1, "its first row is not %q; write that, and what it names in each row", strings.Join(needed, ","))
		return
	}
	head = slices.Clone(head)
	for n := 0; err == nil; n++ {
		if r.fields, err = r.csv.Read(); err != nil {
			break
		}
		if n == MaxRecorded {
			r.problem("more than %d rows; cut the recording shorter", MaxRecorded)
			return
		}
		if row(r); r.Any() {
			return // of a file that is made by a program the others are wrong, too
		}
	}
	var bad *csv.ParseError
	switch {
	case errors.As(err, &bad):
		r.Add(bad.Line, "not a row of %d columns: %v", max(len(head), len(needed)), bad.Err)
	case errors.Is(err, io.EOF):
		if head == nil {
			r.Add(1, "empty; its first row must be %q", strings.Join(columns, ","))
		}
	default:
		r.Add(1, "cannot read it: %v", err)
	}
}

func (r *sideRow) problem(format string, args ...any) {
	line, _ := r.csv.FieldPos(0)
	r.Add(line, format, args...)
}

func (r *sideRow) text(i int) string { return strings.Clone(r.fields[i]) }

func (r *sideRow) choice(i int, words ...string) string {
	if at := slices.Index(words, r.fields[i]); at >= 0 {
		return words[at]
	}
	r.problem("%s: %s is unknown%s", r.columns[i], shown(r.fields[i]), strictyaml.Nearest(r.fields[i], words))
	return ""
}

func (r *sideRow) whole(i, most int) int { return r.number(i, r.fields[i], most) }

func (r *sideRow) counts(i int) (all []int32) {
	for word := range strings.FieldsSeq(r.fields[i]) {
		times, one, several := strings.Cut(word, "*")
		n := 1
		if several {
			n = r.number(i, times, maxMinutes)
		} else {
			one = times
		}
		c := r.number(i, one, maxCount)
		if len(all)+n > maxMinutes {
			r.problem("%s: more than %d minutes; cut the trace shorter", r.columns[i], maxMinutes)
		}
		if r.Any() {
			return nil
		}
		all = append(all, slices.Repeat([]int32{int32(c)}, n)...)
	}
	if len(all) == 0 {
		r.problem("%s: none; write one for each minute", r.columns[i])
	}
	return slices.Clip(all)
}

func (r *sideRow) number(i int, s string, most int) int {
	v, err := strconv.Atoi(s)
	if err != nil || v < 0 || v > most {
		r.problem("%s: %s is not a whole number from 0 to %d", r.columns[i], shown(s), most)
	}
	return v
}

func (r *sideRow) seconds(i int) time.Duration {
	d, ok := parseSeconds(r.fields[i])
	if !ok || d > maxTime {
		r.problem("%s: %s is not a time; write seconds such as 12.345678901, up to %.0f", r.columns[i], shown(r.fields[i]), maxTime.Seconds())
	}
	return d
}

// parseSeconds reads seconds with up to nine decimals, exactly.
func parseSeconds(s string) (time.Duration, bool) {
	whole, part, _ := strings.Cut(s, ".")
	if len(whole) > 9 || len(part) > 9 || whole == "" {
		return 0, false
	}
	seconds, err := strconv.ParseUint(whole, 10, 32)
	if err != nil {
		return 0, false
	}
	ns := uint64(0)
	if part != "" {
		if ns, err = strconv.ParseUint((part + "00000000")[:9], 10, 32); err != nil {
			return 0, false
		}
	}
	return time.Duration(seconds)*time.Second + time.Duration(ns), true
}

// appendSeconds is what parseSeconds reads.
func appendSeconds(b []byte, d time.Duration) []byte {
	b = strconv.AppendInt(b, int64(d/time.Second), 10)
	if ns := d % time.Second; ns != 0 {
		b = append(b, fmt.Sprintf(".%09d", int64(ns))...)
	}
	return b
}
