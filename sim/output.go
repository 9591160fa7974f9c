package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// MarshalJSON lists all of the documented counters, and the others when they
// occurred.
func (c Counts) MarshalJSON() ([]byte, error) {
	var b strings.Builder
	b.WriteByte('{')
	for i, name := range counterNames {
		if counter(i) >= alwaysReported && c[i] == 0 {
			continue
		}
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:%d", name, c[i])
	}
	b.WriteByte('}')
	return []byte(b.String()), nil
}

// MarshalJSON writes milliseconds.
func (l Latency) MarshalJSON() ([]byte, error) {
	ms := func(ns int64) float64 { return float64(ns) / 1e6 }
	return json.Marshal(map[string]any{
		"count": l.Count, "mean": ms(l.Mean), "p50": ms(l.P50), "p90": ms(l.P90), "p99": ms(l.P99), "p999": ms(l.P999), "max": ms(l.Max),
	})
}

// plainJSON is v as JSON without HTML escapes: a check reads ">=", not "\u003e=".
// Where the result of a MarshalJSON goes into HTML it is escaped all the same:
// json.Marshal, which html/template uses, escapes what that returns.
func plainJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// WriteJSON prints the object of MarshalJSON on a line.
func (r *Result) WriteJSON(w io.Writer) error {
	data, err := r.MarshalJSON()
	if err != nil {
		return err
	}
	_, err = w.Write(append(data, '\n'))
	return err
}

// functionFigures are what the object of a run says of a function beside its counts
// and latencies.
type functionFigures struct {
	Utilisation float64          `json:"utilisation"`
	PeakQueue   int              `json:"peakQueue"`
	Errors      map[string]int64 `json:"errors,omitempty"` // by code
}

// MarshalJSON makes the object that `sim run --format json` prints.
func (r *Result) MarshalJSON() ([]byte, error) {
	counts := map[string]Counts{"total": r.Total}
	latency := map[string]map[string]Latency{}
	functions := map[string]functionFigures{}
	for _, f := range r.Functions {
		counts[f.Name] = f.Counts
		latency[f.Name] = map[string]Latency{
			"e2e": f.E2E, "e2e_success": f.Succeeded, "e2e_failure": f.Failed, "queue_wait": f.QueueWait, "service": f.Service,
		}
		functions[f.Name] = functionFigures{f.Utilisation(), f.PeakQueued, f.Errors}
	}
	checks := r.Checks
	if checks == nil {
		checks = []CheckResult{}
	}
	return plainJSON(struct {
		Scenario  string                        `json:"scenario"`
		Seed      uint64                        `json:"seed"`
		Virtual   float64                       `json:"virtualSeconds"`
		Wall      float64                       `json:"wallSeconds"`
		Events    int64                         `json:"events"`
		Digest    string                        `json:"digest"`
		Counts    map[string]Counts             `json:"counts"`
		Latency   map[string]map[string]Latency `json:"latencyMs"`
		Functions map[string]functionFigures    `json:"functions"`
		Checks    []CheckResult                 `json:"checks"`
	}{r.Scenario, r.Seed, r.Virtual.Seconds(), r.Wall.Seconds(), r.Events, r.Digest, counts, latency, functions, checks})
}

// WriteText prints a run for people.
func (r *Result) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s (seed %d)\n", r.Scenario, r.Verdict(), r.Seed)
	fmt.Fprintf(&b, "  %v virtual in %v, %d events, digest %s\n", r.Virtual, r.Wall.Round(time.Microsecond), r.Events, r.Digest)
	t := tabwriter.NewWriter(&b, 2, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "  function\toffered\taccepted\trejected\thits\tsuccess\terror\ttimeout\tretries\te2e p50\te2e p99\tmax\t\n")
	for i, f := range r.Functions {
		if i == maxTextRows {
			fmt.Fprintf(t, "  … %d more\t\n", len(r.Functions)-i)
			break
		}
		textRow(t, f.Name, &f.Counts, fmt.Sprintf("%v\t%v\t%v", short(f.E2E.P50), short(f.E2E.P99), short(f.E2E.Max)))
	}
	if len(r.Functions) > 1 {
		textRow(t, "total", &r.Total, "\t\t")
	}
	t.Flush()
	r.writeApart(&b)
	for _, c := range r.Checks {
		mark := "holds"
		if !c.Holds {
			mark = "FAILS"
		}
		fmt.Fprintf(&b, "  %s  %s %s: got %s", mark, c.Check, c.Want, c.Got)
		if !c.Holds && c.Line > 0 {
			fmt.Fprintf(&b, " (%s:%d)", r.File, c.Line)
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeApart prints the latencies of successes apart from those of failures, where a
// function has both: those of all look good while it fails at once.
func (r *Result) writeApart(w io.Writer) {
	for _, f := range r.Functions[:min(len(r.Functions), maxTextRows)] {
		if f.Succeeded.Count > 0 && f.Failed.Count > 0 {
			fmt.Fprintf(w, "  %s: e2e of successes p50 %v, p99 %v; of failures p50 %v, p99 %v\n", f.Name,
				short(f.Succeeded.P50), short(f.Succeeded.P99), short(f.Failed.P50), short(f.Failed.P99))
		}
	}
}

// Verdict is what a run came to in a word or two.
func (r *Result) Verdict() string {
	switch {
	case !r.Holds():
		return "FAILED"
	case len(r.Checks) == 0:
		return "nothing was checked but the invariants, which hold"
	}
	return "ok"
}

// maxTextRows is how many functions the text output lists.
const maxTextRows = 20

func textRow(w io.Writer, name string, c *Counts, latency string) {
	fmt.Fprintf(w, "  %s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t\n", name,
		c[cOffered], c[cAccepted], c.Rejected(), c[cIdempotentHits], c[cSuccess], c[cError], c[cTimeout], c[cRetries], latency)
}

// short rounds to what a person reads.
func short(ns int64) time.Duration {
	d := time.Duration(ns)
	switch {
	case d > time.Minute:
		return d.Round(time.Second)
	case d > time.Second:
		return d.Round(time.Millisecond)
	}
	return d.Round(time.Microsecond)
}

// WriteViolation prints a broken invariant with the end of the event log.
func (r *Result) WriteViolation(w io.Writer) {
	if v := r.Violation; v != nil {
		fmt.Fprintf(w, "%s: %v\nthe event log ends:\n", r.Scenario, v)
		for _, line := range v.Tail {
			fmt.Fprintf(w, "  %s\n", line)
		}
	}
}
