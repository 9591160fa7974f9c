package live

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
)

// WriteJSON writes the result as one JSON object.
func (r *Result) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(r)
}

var head = []string{"figure", "simulated", "95 % of simulations", "with a call's cost", "95 % of simulations", "real", "95 % interval", "verdict"}

// WriteText writes the result for people.
func (r *Result) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %gs in real time, seed %d, server %s\n", r.Scenario, r.Seconds, r.Seed, r.Server)
	for i := range r.Functions {
		f := &r.Functions[i]
		fmt.Fprintf(&b, "\n%s%s\n", f.Name, f.costText())
		t := tabwriter.NewWriter(&b, 2, 0, 2, ' ', 0)
		fmt.Fprintln(t, "  "+strings.Join(head, "\t"))
		for j := range f.Rows {
			fmt.Fprintln(t, "  "+strings.Join(f.Rows[j].cells(), "\t"))
		}
		t.Flush()
	}
	fmt.Fprintf(&b, "\n%s\n", r.summary())
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "note: %s\n", f)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (f *Function) costText() string {
	if f.CostMs == nil {
		return ": what a call costs beside its service time could not be told"
	}
	return fmt.Sprintf(": an attempt takes %.2f ms beside its service time", *f.CostMs)
}

// summary says how much agrees.
func (r *Result) summary() string {
	n := map[string]int{}
	all := 0
	for i := range r.Functions {
		for j := range r.Functions[i].Rows {
			n[r.Functions[i].Rows[j].Verdict]++
			all++
		}
	}
	return fmt.Sprintf("%d figures: %d within what %d simulations of other seeds show, %d more with the cost of a call in the simulations, %d part. "+
		"By chance one in twenty parts. Differences of up to %v are not told apart.",
		all, n[Same]+n[Agrees], r.Runs, n[Costs], n[Parts], resolution)
}

// cells are a row's, as in head.
func (r *Row) cells() []string {
	same, real := r.Text(r.Same), r.Text(r.Real)
	if r.Unit == "share" {
		same, real = fmt.Sprintf("%s (%d)", same, r.sameCount), fmt.Sprintf("%s (%d)", real, r.realCount)
	}
	dear := ""
	if r.SameWithCost != nil {
		dear = r.Text(*r.SameWithCost)
	}
	return []string{r.Figure, same, r.Span(&r.Simulated), dear, r.Span(r.WithCost), real, r.Span(r.RealRange), r.Verdict}
}

// Span is an interval as people read it, "" for none.
func (r *Row) Span(i *Interval) string {
	if i == nil {
		return ""
	}
	return r.Text(i.Low) + " to " + r.Text(i.High)
}

// Text is a value as people read it: shares in percent.
func (r *Row) Text(v float64) string {
	switch r.Unit {
	case "share":
		return fmt.Sprintf("%.1f %%", 100*v)
	case "ms":
		if v < 100 {
			return fmt.Sprintf("%.2f ms", v)
		}
		return fmt.Sprintf("%.0f ms", v)
	case "/s":
		return fmt.Sprintf("%.1f/s", v)
	}
	return fmt.Sprint(int64(math.Round(v)))
}
