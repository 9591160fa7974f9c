package scenario

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// WriteFiles writes a scenario to path and its calls, counts and attempts that are
// not in it, into the side files beside it that it names. comment goes to the
// head of the scenario. A file that exists is overwritten.
func WriteFiles(path string, s *Scenario, comment string) error {
	dir := filepath.Dir(path)
	calls, counts, attempts := map[string][]*Load{}, map[string][]*Load{}, map[string][]*Function{}
	for i := range s.Load {
		switch l := &s.Load[i]; {
		case l.Arrivals.File == "":
		case l.Arrivals.Process == "trace":
			counts[l.Arrivals.File] = append(counts[l.Arrivals.File], l)
		default:
			calls[l.Arrivals.File] = append(calls[l.Arrivals.File], l)
		}
	}
	for i := range s.Functions {
		if f := &s.Functions[i]; f.Behavior.AttemptsFile != "" {
			attempts[f.Behavior.AttemptsFile] = append(attempts[f.Behavior.AttemptsFile], f)
		}
	}
	for name, loads := range calls {
		columns := callColumns
		if !timed(loads) {
			columns = columns[:len(columns)-1]
		}
		if err := writeSide(filepath.Join(dir, name), columns, func(w *sideWriter) { w.calls(loads, len(columns) == len(callColumns)) }); err != nil {
			return err
		}
	}
	for name, loads := range counts {
		if err := writeSide(filepath.Join(dir, name), countColumns, func(w *sideWriter) { w.counts(loads) }); err != nil {
			return err
		}
	}
	for name, functions := range attempts {
		if err := writeSide(filepath.Join(dir, name), attemptColumns, func(w *sideWriter) { w.attempts(functions) }); err != nil {
			return err
		}
	}
	return os.WriteFile(path, Marshal(s, comment), 0o644)
}

// SideFiles are the names for the calls and attempts of a scenario file.
func SideFiles(path string) (calls, attempts string) {
	return sideFile(path, "calls"), sideFile(path, "attempts")
}

// CountsFile is the name for the counts of a scenario file.
func CountsFile(path string) string { return sideFile(path, "counts") }

func sideFile(path, of string) string {
	base := filepath.Base(path)
	return strings.TrimSuffix(base, filepath.Ext(base)) + "." + of + ".csv"
}

type sideWriter struct {
	*bufio.Writer
	row []byte
}

func writeSide(path string, columns []string, write func(*sideWriter)) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := &sideWriter{Writer: bufio.NewWriterSize(f, sideBuffer)}
	_, _ = io.WriteString(w, strings.Join(columns, ",")+"\n") // Flush says what went wrong
	write(w)
	return errors.Join(w.Flush(), f.Close())
}

// calls writes those of each load in turn: names of functions need no quotes.
func (w *sideWriter) calls(loads []*Load, timed bool) {
	for _, l := range loads {
		for _, c := range l.Arrivals.Calls {
			b := append(append(w.row[:0], l.Function...), ',')
			b = append(append(b, l.Mode...), ',')
			b = append(appendSeconds(b, c.At), ',')
			b = strconv.AppendInt(b, int64(c.Input), 10)
			if timed {
				b = append(b, ',')
			}
			if c.Timed {
				b = appendSeconds(b, c.Took)
			}
			w.end(b)
		}
	}
}

// timed says that some call has a service time of its own.
func timed(loads []*Load) bool {
	return slices.ContainsFunc(loads, func(l *Load) bool {
		return slices.ContainsFunc(l.Arrivals.Calls, func(c Call) bool { return c.Timed })
	})
}

// counts writes equal ones behind each other as N*COUNT.
func (w *sideWriter) counts(loads []*Load) {
	for _, l := range loads {
		b := append(append(w.row[:0], l.Function...), ',')
		for rest := l.Arrivals.Counts; len(rest) > 0; {
			n := 1
			for n < len(rest) && rest[n] == rest[0] {
				n++
			}
			if n > 1 {
				b = append(strconv.AppendInt(b, int64(n), 10), '*')
			}
			b = strconv.AppendInt(b, int64(rest[0]), 10)
			if rest = rest[n:]; len(rest) > 0 {
				b = append(b, ' ')
			}
		}
		w.end(b)
	}
}

func (w *sideWriter) attempts(functions []*Function) {
	for _, f := range functions {
		for _, a := range f.Behavior.Attempts {
			b := append(append(w.row[:0], f.Name...), ',')
			b = append(appendSeconds(b, a.At), ',')
			b = append(appendSeconds(b, a.Took), ',')
			b = append(append(b, a.Ending.String()...), ',')
			b = append(appendSeconds(b, a.RetryAfter), ',')
			w.end(strconv.AppendBool(b, a.Cold))
		}
	}
}

func (w *sideWriter) end(row []byte) {
	w.row = append(row, '\n')
	_, _ = w.Write(w.row)
}
