package replay

import (
	"fmt"
	"strings"
	"time"

	"simplane/core"
)

// names are the executions' numbers, in the order in which they appear in a
// function's records.
type names map[core.ID]int64

// number names the executions of the records up to a place.
func (d *domain) number(to int) names {
	n := names{}
	for i := range d.steps[:to] {
		n.add(d.steps[i].ID)
	}
	return n
}

func (n names) add(id core.ID) {
	if _, ok := n[id]; !ok && id != (core.ID{}) {
		n[id] = int64(len(n)) + 1
	}
}

func (n names) of(id core.ID) string {
	switch number, ok := n[id]; {
	case id == core.ID{}:
		return "-"
	case ok:
		return fmt.Sprintf("#%d", number)
	}
	return id.String()
}

// Line is a step in the form of the event log: SECONDS VERB FUNCTION #EXECUTION
// DETAILS. Seconds count from the recording's first step.
func (r *Report) Line(f *Function, s *core.Step) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %v %s", seconds(r.at(s)), s.Kind, f.Label())
	if s.ID != (core.ID{}) && s.Kind != core.StepRefuse {
		b.WriteString(" " + f.names.of(s.ID))
	}
	for _, d := range details(s) {
		b.WriteString(" " + d.name + "=" + d.value)
	}
	if s.Kind != core.StepKey {
		fmt.Fprintf(&b, " -> %v queued=%d running=%d", s.Outcome(), s.Depth(), s.Running())
	}
	return b.String()
}

// Label is what a function goes by: its name, or its number.
func (f *Function) Label() string {
	if f.Name != "" {
		return f.Name
	}
	if shard, keys := core.KeyDomain(f.Number); keys {
		return fmt.Sprintf("keys/%d", shard)
	}
	return fmt.Sprintf("#%d", f.Number)
}

// seconds are written as in the event log.
func seconds(ns int64) string { return fmt.Sprintf("%d.%09d", ns/1e9, ns%1e9) }

type detail struct{ name, value string }

// details are what a record says beside its execution and the sizes, in words.
func details(s *core.Step) (all []detail) {
	add := func(name string, value any) { all = append(all, detail{name, fmt.Sprint(value)}) }
	flags := func(of []flagName) {
		for _, f := range of {
			if s.Flags&f.flag != 0 {
				add(f.name, "yes")
			}
		}
	}
	switch s.Kind {
	case core.StepAccept:
		add("input", fmt.Sprint(s.A, "B"))
		if own, all := s.Extra>>32, s.Extra&(1<<32-1); own|all != 0 {
			add("place", fmt.Sprintf("%d/%d", own, all))
		}
		flags(acceptFlags)
	case core.StepAnswer, core.StepComplete:
		add("attempt", s.Extra)
		add("status", []string{"success", "error", "timeout", "error"}[s.Flags&3])
		add("output", fmt.Sprint(s.A, "B"))
		flags(answerFlags)
	case core.StepTick, core.StepDrain:
		flags(turnFlags)
	case core.StepJoin:
		flags(acceptFlags)
	case core.StepForget:
		add("place", s.A)
	case core.StepExpire, core.StepRelieve, core.StepEmpty, core.StepRestore:
		add("executions", s.A)
	case core.StepUpdate:
		add("expected-generation", s.Extra)
	case core.StepSetReplicas, core.StepReplicas:
		add("count", s.A)
	case core.StepKey:
		add("key", s.Extra)
		add("asked", keyWord(s.A))
		add("token", s.Mono)
		flags(keyFlags)
	case core.StepDurable:
		add("attempt", s.A)
		flags(durableFlags)
	}
	flags(everyFlags)
	return all
}

type flagName struct {
	flag core.StepFlags
	name string
}

var (
	acceptFlags = []flagName{{core.FlagSync, "sync"}, {core.FlagDurable, "durable"}, {core.FlagCallerRuns, "caller-runs"}, {core.FlagKey, "key"},
		{core.FlagWaiter, "awaited"}, {core.FlagLeaver, "may-leave"}, {core.FlagLetter, "redrive"}, {core.FlagLetterGone, "letter-gone"}}
	answerFlags  = []flagName{{core.FlagCold, "cold"}, {core.FlagPermanent, "permanent"}, {core.FlagEcho, "echo"}}
	turnFlags    = []flagName{{core.FlagAsked, "asked"}, {core.FlagNobody, "nobody-there"}, {core.FlagAwaited, "awaited"}, {core.FlagDraining, "draining"}}
	keyFlags     = []flagName{{core.FlagSamePrint, "same-input"}, {core.FlagCrowded, "crowded"}, {core.FlagFull, "full"}, {core.FlagWrongToken, "wrong-token"}}
	durableFlags = []flagName{{core.FlagEnded, "ended"}, {core.FlagBreakOff, "break-off"}, {core.FlagDone, "awaited"}}
	everyFlags   = []flagName{{core.FlagGone, "gone"}}
)

// keyWord is what was asked of a shard of keys.
func keyWord(n uint32) string {
	words := []string{"acquire", "take-over", "publish", "abandon", "sweep", "restore"}
	if n == 0 || int(n) > len(words) {
		return fmt.Sprint(n)
	}
	return words[n-1]
}

// field is one field of a record, in words.
type field struct{ Name, Value string }

// fields are all of a record's, those that only the check covers included.
func (r *Report) fields(f *Function, s *core.Step) []field {
	all := []field{
		{"step", s.Kind.String()}, {"record", fmt.Sprint(s.Seq)}, {"at", seconds(r.at(s))},
		{"wall", time.Unix(0, s.Wall).UTC().Format("2006-01-02T15:04:05.000000000Z")}, {"execution", f.names.of(s.ID)},
		{"outcome", s.Outcome().String()}, {"queued", fmt.Sprint(s.Depth())}, {"running", fmt.Sprint(s.Running())},
	}
	for _, d := range details(s) {
		all = append(all, field{d.name, d.value})
	}
	return append(all,
		field{"A", fmt.Sprint(s.A)}, field{"extra", fmt.Sprintf("%#x", s.Extra)}, field{"flags", fmt.Sprintf("%#04x", uint16(s.Flags))},
		field{"further records", fmt.Sprint(s.More)}, field{"check", fmt.Sprintf("%08x", s.Check)})
}
