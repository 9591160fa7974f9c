package replay

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"simplane/core"
)

// WriteJSON prints a report, and what became of one execution if t is not nil, as
// one object.
func (r *Report) WriteJSON(w io.Writer, by Program, t *Timeline) error {
	type jsonStep struct {
		Line   string            `json:"line"`
		Fields map[string]string `json:"fields"`
	}
	steps := func(f *Function, all []core.Step) (out []jsonStep) {
		for i := range all {
			s := jsonStep{r.Line(f, &all[i]), map[string]string{}}
			for _, x := range r.fields(f, &all[i]) {
				s.Fields[x.Name] = x.Value
			}
			out = append(out, s)
		}
		return out
	}
	type difference struct {
		Seconds  float64    `json:"seconds"`
		Why      string     `json:"why"`
		Recorded []jsonStep `json:"recorded"`
		Now      []jsonStep `json:"now"`
		Before   []string   `json:"before"`
	}
	type function struct {
		Name        string      `json:"name"`
		Number      uint32      `json:"number"`
		Steps       int64       `json:"steps"`
		Identical   int64       `json:"identical"`
		NotVerified int64       `json:"notVerified"`
		Diverged    int64       `json:"diverged"`
		Behind      int64       `json:"behind"`
		Unusable    string      `json:"unusable,omitempty"`
		First       *difference `json:"first,omitempty"`
	}
	out := struct {
		Result    string     `json:"result"`
		Version   string     `json:"version"`
		Commit    string     `json:"commit"`
		ByVersion string     `json:"byVersion"`
		ByCommit  string     `json:"byCommit"`
		Seconds   float64    `json:"seconds"`
		Records   int64      `json:"records"`
		Refusals  int64      `json:"refusals"`
		Held      int64      `json:"refusalsHeld"`
		Misplaced int64      `json:"misplaced"`
		Diverged  int64      `json:"diverged"`
		Dropped   string     `json:"dropped,omitempty"`
		Truncated bool       `json:"truncated,omitempty"`
		Functions []function `json:"functions"`
		Execution *Timeline  `json:"execution,omitempty"`
	}{
		Result: [...]string{"identical", "diverged", "unusable"}[r.Exit()], Version: r.Header.Version, Commit: r.Header.Commit,
		ByVersion: by.Version, ByCommit: by.Commit, Seconds: r.Length.Seconds(), Records: r.Records,
		Refusals: r.Refusals, Held: r.Held, Misplaced: r.Misplaced, Diverged: r.Diverged(), Dropped: r.Dropped, Truncated: r.Truncated,
		Functions: []function{}, Execution: t,
	}
	for _, f := range r.Functions {
		j := function{f.Label(), f.Number, f.Steps, f.Identical, f.Before + f.Elsewhere, f.Diverged, f.Behind, f.Unusable, nil}
		if d := f.First; d != nil {
			j.First = &difference{Seconds: float64(r.at(&d.Recorded[0])) / 1e9, Why: d.Why, Recorded: steps(f, d.Recorded), Now: steps(f, d.Again)}
			for i := range d.Before {
				j.First.Before = append(j.First.Before, r.Line(f, &d.Before[i]))
			}
		}
		out.Functions = append(out.Functions, j)
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(out)
}

// MarshalJSON has times in seconds.
func (p Phase) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{"state": p.State, "attempt": p.Attempt, "from": p.From.Seconds(), "to": p.To.Seconds()})
}

// MarshalJSON has the id as text.
func (t *Timeline) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		ID       string   `json:"id"`
		Function string   `json:"function"`
		Phases   []Phase  `json:"phases"`
		Steps    []string `json:"steps"`
	}{t.ID.String(), t.Function, t.Phases, t.Lines})
}

// WriteText prints what became of the execution; nothing of a nil Timeline.
func (t *Timeline) WriteText(w io.Writer) error {
	if t == nil {
		return nil
	}
	_, err := fmt.Fprintf(w, "%v of %s:\n  %s\n", t.ID, t.Function, strings.Join(t.Lines, "\n  "))
	return err
}
