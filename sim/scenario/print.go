package scenario

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
)

// Marshal writes a scenario as YAML that Parse reads back to the same values;
// what equals the default is left out. comment, if any, goes first.
func Marshal(s *Scenario, comment string) []byte {
	w := &printer{}
	for line := range strings.Lines(comment) {
		w.raw("# " + strings.TrimRight(line, "\n") + "\n")
	}
	w.fields(false, scenarioTable.changed(s))
	return w.buf.Bytes()
}

type printed struct {
	key   string
	typ   kind
	value any
}

type printer struct {
	buf    bytes.Buffer
	indent int
	flows  int // mappings on one line that are being written, one in the other
}

func (w *printer) raw(s string) { w.buf.WriteString(s) }

var plain = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_. -]*[A-Za-z0-9]$`)

// text quotes what YAML might read as something else.
func (w *printer) text(s string) {
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "null":
		w.raw(strconv.Quote(s))
		return
	}
	if plain.MatchString(s) {
		w.raw(s)
	} else {
		w.raw(strconv.Quote(s))
	}
}

func (w *printer) fields(flow bool, fields []printed) {
	if flow || w.flows > 0 {
		w.flow(fields)
		return
	}
	for i, f := range fields {
		if i > 0 {
			w.raw(strings.Repeat(" ", w.indent))
		}
		w.field(f)
	}
}

func (w *printer) flow(fields []printed) {
	w.raw("{")
	w.flows++
	defer func() { w.flows-- }()
	for i, f := range fields {
		if i > 0 {
			w.raw(", ")
		}
		w.raw(f.key + ": ")
		f.typ.print(w, f.value)
	}
	w.raw("}")
}

// nested is a kind printed on lines of its own, below its key.
type nested interface{ below() bool }

func (r *record[T]) below() bool { return !r.flow }
func (l list[T]) below() bool    { return true }

func (w *printer) field(f printed) {
	n, ok := f.typ.(nested)
	if !ok || !n.below() {
		w.raw(f.key + ": ")
		f.typ.print(w, f.value)
		w.raw("\n")
		return
	}
	w.raw(f.key + ":\n")
	w.indent += 2
	if _, ok := f.typ.(interface{ items() }); !ok {
		w.raw(strings.Repeat(" ", w.indent))
	}
	f.typ.print(w, f.value)
	w.indent -= 2
}

func (l list[T]) items() {}

func (w *printer) item(flow bool, fields []printed) {
	w.raw(strings.Repeat(" ", w.indent) + "- ")
	w.indent += 2
	w.fields(flow, fields)
	w.indent -= 2
	if flow {
		w.raw("\n")
	}
}
