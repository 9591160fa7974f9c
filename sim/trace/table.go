package trace

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"simplane/core"
)

// table is a CSV file read row by row, with its header.
type table struct {
	path  string
	r     *csv.Reader
	f     *os.File
	cols  map[string]int
	head  []string
	cells []string // of the running row
}

// open reads the header. The error names the file and a line: a column that is not
// there, or is there twice.
func open(path string, needed ...string) (*table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	t := &table{path: path, f: f, r: csv.NewReader(withoutMark(f)), cols: map[string]int{}}
	t.r.ReuseRecord = true
	head, err := t.r.Read()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s:1: no header: %w", path, err)
	}
	for i, name := range head {
		name = strings.Clone(strings.TrimSpace(name))
		t.head = append(t.head, name)
		if _, twice := t.cols[name]; twice {
			f.Close()
			return nil, fmt.Errorf("%s:1: two columns are named %q; remove one", path, name)
		}
		t.cols[name] = i
	}
	for _, name := range needed {
		if !t.has(name) {
			f.Close()
			return nil, fmt.Errorf("%s:1: no column %q; is this the file meant?", path, name)
		}
	}
	return t, nil
}

// withoutMark skips the byte order mark that some programs put before UTF-8. It
// would make a quoted first name one with a quote within it.
func withoutMark(r io.Reader) io.Reader {
	b := bufio.NewReader(r)
	if first, _ := b.Peek(3); string(first) == "\ufeff" {
		_, _ = b.Discard(3) // they are there
	}
	return b
}

func (t *table) has(column string) bool {
	_, ok := t.cols[column]
	return ok
}

// get is a cell of the running row, "" when the column is absent. It must be cloned
// to be kept: it shares the memory of the whole row.
func (t *table) get(column string) string {
	if i, ok := t.cols[column]; ok {
		return strings.TrimSpace(t.cells[i])
	}
	return ""
}

// line is where the running row begins.
func (t *table) line() int {
	line, _ := t.r.FieldPos(0)
	return line
}

// each calls row for every row. An error of row gets the file and line put in
// front.
func (t *table) each(row func() error) error {
	defer t.f.Close()
	for {
		var err error
		t.cells, err = t.r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		var bad *csv.ParseError
		if errors.As(err, &bad) {
			return fmt.Errorf("%s:%d: %w", t.path, bad.Line, bad.Err)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", t.path, err)
		}
		if err := row(); err != nil {
			return fmt.Errorf("%s:%d: %w", t.path, t.line(), err)
		}
	}
}

const (
	// longestTrace is how long a trace may be.
	longestTrace = 100 * 24 * time.Hour
	// longestCall is how long a call may take: less than the longest timeout.
	longestCall = core.MaxTimeoutMillis*time.Millisecond - time.Second
)

// number reads a decimal number from 0 on. It takes neither what is not finite nor
// what only Go writes: 0x1p3 and 1_000.
func number(s string) (float64, bool) {
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil && strings.Trim(s, "0123456789.eE+-") == "" && v >= 0
}

// millis reads a column's milliseconds as a duration, to the microsecond.
func (t *table) millis(column string) (time.Duration, error) {
	s := t.get(column)
	v, ok := number(s)
	if !ok || v > float64(longestCall/time.Millisecond) {
		return 0, fmt.Errorf("%s: %q is not a number of milliseconds from 0 to %d", column, s, longestCall/time.Millisecond)
	}
	return time.Duration(math.Round(v * 1e6)).Round(time.Microsecond), nil
}

// seconds reads a column's seconds, as they are written, to the nanosecond.
func (t *table) seconds(column string, longest time.Duration) (time.Duration, error) {
	s := t.get(column)
	whole, part, _ := strings.Cut(s, ".")
	n, err := strconv.ParseUint(whole, 10, 32)
	if err == nil && strings.Trim(part, "0123456789") == "" && time.Duration(n)*time.Second <= longest {
		round := len(part) > 9 && part[9] >= '5'
		ns, _ := strconv.Atoi((part + "000000000")[:9])
		if round {
			ns++
		}
		return time.Duration(n)*time.Second + time.Duration(ns), nil
	}
	v, ok := number(s) // such as 1e-05
	if !ok || v > longest.Seconds() {
		return 0, fmt.Errorf("%s: %q is not a number of seconds from 0 to %.0f", column, s, longest.Seconds())
	}
	return time.Duration(math.Round(v * 1e9)), nil
}
