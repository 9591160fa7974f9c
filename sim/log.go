package sim

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
)

// logbook folds the event log into a digest. A line is
//
//	SECONDS VERB FUNCTION #EXECUTION DETAILS…
//
// built with strconv into a buffer that is hashed whenever it is full. What
// is kept beyond the digest is bounded: the last lines, for the report of a
// failure, and a few dozen prefix digests, for locating a first difference.
type logbook struct {
	buf, previous []byte // the buffer being filled, and the one before
	hashed        int    // of buf
	sum           hash.Hash
	lines         int64
	stamp         timeStamp // of the last line

	marks  []Mark
	stride int64 // a power of two

	out      io.Writer // JSON lines; nil = none
	outErr   error
	from, to int64 // lines in [from, to) are kept
	kept     []string
	lineAt   int    // where the running line begins in buf
	where    string // goes to the end of each line
}

// Mark is the digest of a log's first Lines lines.
type Mark struct {
	Lines  int64
	At     int64 // virtual ns of the last of them
	Digest string
}

const (
	logBuffer = 64 << 10
	maxMarks  = 64
)

func newLogbook() *logbook {
	return &logbook{
		buf: make([]byte, 0, logBuffer+1024), previous: make([]byte, 0, logBuffer+1024),
		sum: sha256.New(), stride: 16, stamp: timeStamp{at: -1},
	}
}

// begin starts a line of the given virtual time; the caller appends VERB and the
// rest to buf and calls end.
func (l *logbook) begin(now int64) []byte {
	l.lineAt = len(l.buf)
	if now != l.stamp.at {
		l.stamp.set(now)
	}
	return l.stamp.append(l.buf)
}

func (l *logbook) end(b []byte) {
	b = append(append(b, l.where...), '\n')
	l.buf = b
	l.lines++
	if l.lines >= l.from && l.lines < l.to {
		l.kept = append(l.kept, string(b[l.lineAt:len(b)-1]))
	}
	if l.out != nil && l.outErr == nil {
		l.outErr = writeJSONLine(l.out, b[l.lineAt:len(b)-1])
	}
	if len(b) >= logBuffer {
		l.flush()
	}
	if l.lines&(l.stride-1) == 0 {
		l.mark()
	}
}

func (l *logbook) flush() {
	l.fold()
	l.buf, l.previous, l.hashed = l.previous[:0], l.buf, 0
}

// fold hashes what has been appended since it was last called.
func (l *logbook) fold() {
	l.sum.Write(l.buf[l.hashed:])
	l.hashed = len(l.buf)
}

// mark notes a prefix digest; when there are too many, every other one goes.
func (l *logbook) mark() {
	if l.lines < 1024 || l.lines%1024 == 0 { // seldom enough to cost nothing
		l.fold()
		l.marks = append(l.marks, Mark{l.lines, l.stamp.at, hex.EncodeToString(l.sum.Sum(nil)[:8])})
	}
	if len(l.marks) == maxMarks {
		l.stride *= 2
		kept := l.marks[:0]
		for _, m := range l.marks {
			if m.Lines%l.stride == 0 {
				kept = append(kept, m)
			}
		}
		l.marks = kept
	}
}

func (l *logbook) digest() string {
	l.fold()
	return hex.EncodeToString(l.sum.Sum(nil))
}

// tail is up to n of the last lines.
func (l *logbook) tail(n int) []string {
	all := append(bytes.Clone(l.previous), l.buf...)
	lines := bytes.Split(bytes.TrimSuffix(all, []byte("\n")), []byte("\n"))
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = string(line)
	}
	return out
}
