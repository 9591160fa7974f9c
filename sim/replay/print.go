package replay

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"simplane/core"
)

// Program is the version and commit that replay.
type Program struct{ Version, Commit string }

// maxRows is how many functions the text lists.
const maxRows = 30

// WriteText prints a report for people.
func (r *Report) WriteText(w io.Writer, name string, by Program) error {
	var b strings.Builder
	r.writeHead(&b, name, by)
	t := tabwriter.NewWriter(&b, 2, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "  function\tsteps\tidentical\tnot verified\tdiffer\tafter that\t\n")
	shown := slices.Clone(r.Functions)
	slices.SortStableFunc(shown, func(a, b *Function) int {
		return cmp.Or(cmp.Compare(b.Diverged, a.Diverged), cmp.Compare(b.Steps, a.Steps))
	})
	for i, f := range shown {
		if i == maxRows {
			fmt.Fprintf(t, "  … %d more\t\n", len(shown)-i)
			break
		}
		fmt.Fprintf(t, "  %s\t%d\t%d\t%d\t%d\t%d\t\n", f.Label(), f.Steps, f.Identical, f.Before+f.Elsewhere, f.Diverged, f.Behind)
	}
	_ = t.Flush()
	if r.Refusals > 0 {
		fmt.Fprintf(&b, "  %d refusals before any step, %d of them follow from their figures\n", r.Refusals, r.Held)
	}
	for _, f := range shown {
		if f.Unusable != "" {
			fmt.Fprintf(&b, "%s: unusable: %s\n", f.Label(), f.Unusable)
		}
	}
	if r.Unusable != "" {
		fmt.Fprintf(&b, "unusable: %s\n", r.Unusable)
	}
	if s := r.FirstNotHeld; s != nil {
		is, bound := s.Compared()
		fmt.Fprintf(&b, "a refusal at %s says %s with %d of %d, which does not follow\n", seconds(r.at(s)), s.Reason(), is, bound)
	}
	if r.Misplaced > 0 {
		fmt.Fprintf(&b, "rate windows gave out %d places wrongly, the first at %s\n", r.Misplaced, r.FirstMisplaced)
	}
	if d := r.First(); d != nil {
		r.writeDivergence(&b, d)
	}
	fmt.Fprintf(&b, "%s\n", r.Verdict())
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) writeHead(b *strings.Builder, name string, by Program) {
	h := &r.Header
	fmt.Fprintf(b, "%s: simplane %s (%s, %s), %s: %s\n", name, h.Version, h.Commit, h.Platform, time.Unix(0, h.Made).UTC().Format(time.RFC3339), h.Why)
	fmt.Fprintf(b, "  %v of %d functions, %d records\n", r.Length.Round(time.Millisecond), len(r.Functions), r.Records)
	if h.Version != by.Version || h.Commit != by.Commit {
		fmt.Fprintf(b, "  this is simplane %s (%s): what another version decided is decided again by this one\n", by.Version, by.Commit)
	}
	if r.Dropped != "" {
		fmt.Fprintf(b, "  the recorder stopped before the end: %s\n", r.Dropped)
	}
	if r.Truncated {
		fmt.Fprint(b, "  the end of the file is missing\n")
	}
}

// First is the earliest divergence.
func (r *Report) First() (first *Divergence) {
	for _, f := range r.Functions {
		if d := f.First; d != nil && (first == nil || r.at(&d.Recorded[0]) < r.at(&first.Recorded[0])) {
			first = d
		}
	}
	return first
}

func (r *Report) writeDivergence(b *strings.Builder, d *Divergence) {
	f := d.Function
	fmt.Fprintf(b, "%s: first difference at %s: %s\n", f.Label(), seconds(r.at(&d.Recorded[0])), d.Why)
	if len(d.Before) > 0 {
		fmt.Fprintf(b, "  the %d steps before:\n", len(d.Before))
		for i := range d.Before {
			fmt.Fprintf(b, "    %s\n", r.Line(f, &d.Before[i]))
		}
	}
	t := tabwriter.NewWriter(b, 2, 0, 2, ' ', 0)
	fmt.Fprint(t, "  \trecorded\tnow\t\n")
	for i := range max(len(d.Recorded), len(d.Again)) {
		var was, is []field
		if i < len(d.Recorded) {
			was = r.fields(f, &d.Recorded[i])
		}
		if i < len(d.Again) {
			is = r.fields(f, &d.Again[i])
		}
		for _, row := range sideBySide(was, is) {
			fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", row[0], row[1], row[2], row[3])
		}
	}
	_ = t.Flush()
	if x := d.Recorded[0].ID; x != (core.ID{}) {
		fmt.Fprintf(b, "  %s is %v\n", f.names.of(x), x)
	}
}

// sideBySide has a row for each field of either: its name, both values, and a
// mark where they differ.
func sideBySide(was, is []field) (rows [][4]string) {
	find := func(all []field, name string) string {
		for _, f := range all {
			if f.Name == name {
				return f.Value
			}
		}
		return ""
	}
	var names []string
	for _, f := range slices.Concat(was, is) {
		if !slices.Contains(names, f.Name) {
			names = append(names, f.Name)
		}
	}
	for _, name := range names {
		a, b, mark := find(was, name), find(is, name), ""
		if a != b {
			mark = "<- differs"
		}
		rows = append(rows, [4]string{name, a, b, mark})
	}
	return rows
}

// Verdict is the outcome in a sentence.
func (r *Report) Verdict() string {
	switch n := r.Diverged(); {
	case r.Exit() == ExitIdentical:
		return "identical: every decision that could be taken again came out as it was recorded"
	case n == 1:
		return "differs: one decision comes out differently"
	case n > 1:
		return fmt.Sprintf("differs: %d decisions come out differently", n)
	}
	return "unusable: not everything could be replayed"
}
