package scenario

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// WriteFiles writes a scenario to path and its recorded calls and attempts, if
// it has any, into the side files beside it that it names. comment goes to the
// head of the scenario. A file that exists is overwritten.
func WriteFiles(path string, s *Scenario, comment string) error {
	dir := filepath.Dir(path)
	calls, attempts := map[string][]*Load{}, map[string][]*Function{}
	for i := range s.Load {
		if l := &s.Load[i]; l.Arrivals.File != "" {
			calls[l.Arrivals.File] = append(calls[l.Arrivals.File], l)
		}
	}
	for i := range s.Functions {
		if f := &s.Functions[i]; f.Behavior.AttemptsFile != "" {
			attempts[f.Behavior.AttemptsFile] = append(attempts[f.Behavior.AttemptsFile], f)
		}
	}
	for name, loads := range calls {
		if err := writeSide(filepath.Join(dir, name), callColumns, func(w *sideWriter) { w.calls(loads) }); err != nil {
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
	base := filepath.Base(path)
	base = strings.TrimSuffix(base, filepath.Ext(base))
	return base + ".calls.csv", base + ".attempts.csv"
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
func (w *sideWriter) calls(loads []*Load) {
	for _, l := range loads {
		for _, c := range l.Arrivals.Calls {
			b := append(append(w.row[:0], l.Function...), ',')
			b = append(append(b, l.Mode...), ',')
			b = append(appendSeconds(b, c.At), ',')
			w.end(strconv.AppendInt(b, int64(c.Input), 10))
		}
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
