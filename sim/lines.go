package sim

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"

	"simplane/core"
	"simplane/sim/internal/world"
)

// The log lines. Each holds what core decided, nothing that follows from it.

// verb is what a line about an execution says of it.
type verb uint8

const (
	saysAccept verb = iota
	saysHit
	saysStart
	saysRetry
	saysQueue
	saysEnd
	saysFree
	saysLate
	saysDuplicate
	saysClean
	saysEvict
	verbs
)

var verbNames = [verbs]string{"accept ", "hit ", "start ", "retry ", "queue ", "end ", "free ", "late ", "duplicate ", "clean ", "evict "}

func (w *witness) line(f *generation, rec *record, v verb) []byte {
	b := append(append(w.log.begin(w.loop.Now()), verbNames[v]...), f.name...)
	b = append(b, " #"...)
	if rec == nil { // evicted
		return append(b, '-')
	}
	return appendNumber(b, rec.number)
}

func (w *witness) write(ev *core.Event, f *generation, rec *record, v verb) {
	b := w.line(f, rec, v)
	if ev.Attempt > 1 {
		b = append(b, " attempt="...)
		b = strconv.AppendInt(b, int64(ev.Attempt), 10)
	}
	if key := world.Tag(ev.Tag).Key(); key >= 0 {
		b = append(b, " key="...)
		b = strconv.AppendInt(b, int64(key), 10)
	}
	w.log.end(b)
}

func (w *witness) writeAccepted(ev *core.Event, f *generation, rec *record) {
	b := w.line(f, rec, saysAccept)
	if ev.Sync {
		b = append(b, " sync"...)
	}
	if key := world.Tag(ev.Tag).Key(); key >= 0 {
		b = append(b, " key="...)
		b = strconv.AppendInt(b, int64(key), 10)
	}
	w.log.end(b)
}

func (w *witness) writeEnded(ev *core.Event, f *generation, rec *record) {
	b := w.line(f, rec, saysEnd)
	b = append(b, ' ')
	b = append(b, ev.Status.String()...)
	if ev.Code != "" {
		b = append(b, " code="...)
		b = append(b, ev.Code...)
	}
	if ev.Cold {
		b = append(b, " cold"...)
	}
	w.log.end(b)
}

func (w *witness) writeRejected(ev *core.Event) {
	b := append(w.log.begin(w.loop.Now()), "reject "...)
	if called := w.caller(world.Tag(ev.Tag)); called != nil {
		b = append(b, called.name...)
	}
	b = append(b, " code="...)
	w.log.end(append(b, ev.Code...))
}

func (w *witness) writeFunction(f *generation, verb string) {
	b := append(append(w.log.begin(w.loop.Now()), verb...), ' ')
	b = append(b, f.name...)
	b = append(b, " slots="...)
	b = strconv.AppendInt(b, int64(f.slots), 10)
	b = append(b, " queue="...)
	w.log.end(strconv.AppendInt(b, int64(f.spec.QueueSize), 10))
}

// jsonLine is a log line in the event log of --out.
type jsonLine struct {
	Time      json.Number `json:"t"` // virtual seconds
	Event     string      `json:"event"`
	Function  string      `json:"function,omitempty"`
	Execution int64       `json:"execution,omitempty"` // in order of acceptance
	Detail    string      `json:"detail,omitempty"`
}

// writeJSONLine translates a line of the digest's log: what is digested and
// what is written cannot differ.
func writeJSONLine(w io.Writer, line []byte) error {
	words := bytes.Fields(line)
	out := jsonLine{Time: json.Number(words[0]), Event: string(words[1])}
	rest := words[2:]
	if out.Event != "fault" && out.Event != "fault-end" && out.Event != "evict-keys" && len(rest) > 0 {
		out.Function = string(rest[0])
		rest = rest[1:]
	}
	if len(rest) > 0 && rest[0][0] == '#' {
		out.Execution, _ = strconv.ParseInt(string(rest[0][1:]), 10, 64) // "-" when evicted
		rest = rest[1:]
	}
	out.Detail = string(bytes.Join(rest, []byte(" ")))
	data, err := plainJSON(out)
	if err != nil {
		return err
	}
	_, err = w.Write(append(data, '\n'))
	return err
}
