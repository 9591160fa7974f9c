package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"simplane/core"
	"simplane/core/recording"
)

// recordingInfo is what `record info` says of a file.
type recordingInfo struct {
	Header    recording.Header `json:"header"`
	From      int64            `json:"fromNs"` // wall time of the earliest step, 0 = none
	To        int64            `json:"toNs"`
	Steps     int              `json:"steps"`
	Bases     int              `json:"bases"`
	Kinds     map[string]int   `json:"kinds"`
	Outcomes  map[string]int   `json:"outcomes"`
	Functions []recordedDomain `json:"functions"`
	KeyShards int              `json:"keyShards"` // of idempotency keys
	Refusals  int              `json:"refusals"`  // before any step
	Dropped   string           `json:"dropped,omitempty"`
	Truncated bool             `json:"truncated"`
}

// recordedDomain is one function's part.
type recordedDomain struct {
	Domain uint32 `json:"domain"`
	Name   string `json:"name,omitempty"`
	Steps  int    `json:"steps"`
	Bases  int    `json:"bases"` // whole ones
	// Verifiable is how many records come after the first base.
	Verifiable int   `json:"verifiable"`
	Gaps       int   `json:"gaps"` // places where steps are missing
	From       int64 `json:"fromNs"`
	To         int64 `json:"toNs"`

	first, last uint32   // Seq of the first and the last step
	states      []uint32 // those of whole bases
}

func recordInfoCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use: "info FILE", Short: "Say what a recording holds, and whether it can be replayed", Args: exactArgs("FILE"),
		Long: "Say what a recording holds: who made it, when and why, its functions, its steps by\n" +
			"kind and outcome, and whether each function has a state that a replay can begin\n" +
			"with. A file that is no recording, or was changed, is exit code 2.",
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := openRecording(args[0])
			if err != nil {
				return usageErrorf("%w", err)
			}
			defer file.Close()
			info, err := inform(bufio.NewReaderSize(file, 1<<20))
			if err != nil {
				return recordingError(args[0], err)
			}
			if asJSON {
				return printValue(cmd.OutOrStdout(), info)
			}
			return info.print(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return cmd
}

// recordingError is the failure to read a recording: one that is unusable is
// invalid input.
func recordingError(file string, err error) error {
	var unusable *recording.UnusableError
	if errors.As(err, &unusable) {
		return usageErrorf("%s: %w", file, err)
	}
	return fmt.Errorf("%s: %w", file, err)
}

// inform reads a recording block by block.
func inform(from io.Reader) (*recordingInfo, error) {
	r, err := recording.NewReader(from)
	if err != nil {
		return nil, err
	}
	info := &recordingInfo{Header: r.Header(), Kinds: map[string]int{}, Outcomes: map[string]int{}}
	domains := map[uint32]*recordedDomain{}
	shards := map[uint32]bool{}
	of := func(domain uint32) *recordedDomain {
		if domains[domain] == nil {
			domains[domain] = &recordedDomain{Domain: domain}
		}
		return domains[domain]
	}
	for {
		b, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		for _, base := range b.Bases {
			info.Bases++
			of(base.Domain).base(base)
		}
		for i := range b.Steps {
			s := &b.Steps[i]
			info.step(s)
			if _, keys := core.KeyDomain(s.Domain); keys {
				shards[s.Domain] = true
			} else if s.Domain != 0 {
				of(s.Domain).step(s)
			}
		}
	}
	info.Dropped, info.Truncated, info.KeyShards = r.Dropped(), r.Truncated(), len(shards)
	for _, d := range slices.Sorted(maps.Keys(domains)) {
		domains[d].verify()
		info.Functions = append(info.Functions, *domains[d])
	}
	return info, nil
}

func (info *recordingInfo) step(s *core.Step) {
	info.Steps++
	info.Kinds[s.Kind.String()]++
	switch s.Kind {
	case core.StepRefuse:
		info.Refusals++
	case core.StepMore, core.StepKey:
	default:
		info.Outcomes[s.Outcome().String()]++
	}
	widen(&info.From, &info.To, recording.At(s))
}

func widen(from, to *int64, at int64) {
	if at == 0 {
		return
	}
	if *from == 0 || at < *from {
		*from = at
	}
	*to = max(*to, at)
}

func (d *recordedDomain) base(b *core.Base) {
	if b.Spec != nil {
		d.Name = b.Spec.Name
	}
	if !b.Whole {
		return
	}
	d.Bases++
	d.states = append(d.states, b.Seq)
}

func (d *recordedDomain) step(s *core.Step) {
	d.Steps++
	widen(&d.From, &d.To, recording.At(s))
	if s.Seq == 0 {
		return
	}
	if d.first == 0 {
		d.first = s.Seq
	} else if s.Seq != d.last+1 {
		d.Gaps++
	}
	d.last = s.Seq
}

// verify counts the steps that can be taken again: those behind the first base
// that is among them or just before.
func (d *recordedDomain) verify() {
	for _, at := range d.states {
		if before := int32(at - d.first); before >= -1 && d.first != 0 {
			d.Verifiable = max(d.Verifiable, int(int32(d.last-at)))
		}
	}
}

func (info *recordingInfo) print(w io.Writer) error {
	h := &info.Header
	kind, names := "the latest decisions", "with names"
	if h.Whole {
		kind = "all decisions since the start of the process"
	} else if h.Part > 0 {
		kind = fmt.Sprintf("part %d of all decisions", h.Part)
	}
	if !h.Names {
		names = "without names"
	}
	fmt.Fprintf(w, "%s, %s, made %s (%s) by simplane %s commit %s %s\n", kind, names, clockTime(h.Made/1e6), h.Why, h.Version, h.Commit, h.Platform)
	if info.From != 0 {
		fmt.Fprintf(w, "%s to %s, %s\n", clockTime(info.From/1e6), clockTime(info.To/1e6), shortDuration(time.Duration(info.To-info.From)))
	}
	fmt.Fprintf(w, "%d steps and %d states of %d functions", info.Steps, info.Bases, len(info.Functions))
	if info.KeyShards > 0 {
		fmt.Fprintf(w, ", and of %d shards of idempotency keys", info.KeyShards)
	}
	fmt.Fprintln(w)
	switch {
	case info.Truncated:
		fmt.Fprintln(w, "the end is missing: it was read up to the last whole block")
	case info.Dropped != "":
		fmt.Fprintf(w, "it ends before the process did: %s\n", info.Dropped)
	}
	for _, counts := range []struct {
		title string
		n     map[string]int
	}{{"KIND", info.Kinds}, {"OUTCOME", info.Outcomes}} {
		t := newTable(counts.title, "STEPS")
		for _, name := range slices.Sorted(maps.Keys(counts.n)) {
			t.row(name, strconv.Itoa(counts.n[name]))
		}
		fmt.Fprintln(w)
		if err := t.print(w); err != nil {
			return err
		}
	}
	t := newTable("FUNCTION", "NAME", "STEPS", "FROM", "TO", "BASES", "REPLAY")
	for i := range info.Functions {
		d := &info.Functions[i]
		t.row(strconv.FormatUint(uint64(d.Domain), 10), d.Name, strconv.Itoa(d.Steps), clockTime(d.From/1e6), clockTime(d.To/1e6), strconv.Itoa(d.Bases), d.replay())
	}
	fmt.Fprintln(w)
	return t.print(w)
}

// replay says how much of a function's steps can be taken again.
func (d *recordedDomain) replay() string {
	switch {
	case d.Steps == 0:
		return "no steps"
	case d.Bases == 0:
		return "no: there is no base"
	case d.Gaps > 0:
		return fmt.Sprintf("up to a gap, of %d", d.Gaps)
	case d.Verifiable == d.Steps:
		return "yes"
	}
	return fmt.Sprintf("%d of %d steps", d.Verifiable, d.Steps)
}
