//go:build interleave

package interleave

import (
	"encoding/json"

	"simplane/core"
)

// journal is core's journal in a run. Facts become durable when a task commits them, which may
// be between any two of core's locks and atomics.
type journal struct {
	w       *world
	facts   []core.Fact // that at place n is facts[n-1]
	durable core.LSN
	told    core.LSN // core has been
}

// Append implements core.Journal.
func (j *journal) Append(_ core.Partition, f *core.Fact) core.LSN {
	j.facts = append(j.facts, core.Fact{Kind: f.Kind, ID: f.ID, Attempt: f.Attempt, Function: f.Function})
	at := core.LSN(len(j.facts))
	j.w.point()
	return at
}

// Durable implements core.Journal.
func (j *journal) Durable() core.LSN { return j.durable }

// Release implements core.Journal.
func (j *journal) Release(core.Partition, core.LSN) {}

// Room implements core.Journal.
func (j *journal) Room() bool { return true }

// Gone implements core.Journal.
func (j *journal) Gone() bool { return false }

// commit makes all facts durable, and tells core.
func (j *journal) commit() {
	j.durable = core.LSN(len(j.facts))
	at := j.durable
	j.w.point()
	j.told = max(j.told, at)
	j.w.core.JournalAdvanced(at)
}

// settle commits until there is nothing that core has not been told of.
func (j *journal) settle() {
	for j.told < core.LSN(len(j.facts)) {
		j.commit()
	}
}

// has says that a fact of an execution, of this kind and attempt (0 = any), is durable.
func (j *journal) has(kind core.FactKind, id core.ID, attempt int32) bool {
	for i := range j.facts[:j.durable] {
		if f := &j.facts[i]; f.Kind == kind && executionOf(f.ID) == executionOf(id) && (attempt == 0 || f.Attempt == attempt) {
			return true
		}
	}
	return false
}

// last is the newest fact of an execution of this kind; 0 = none.
func (j *journal) last(kind core.FactKind, id core.ID) (at core.LSN) {
	for i := range j.facts {
		if f := &j.facts[i]; f.Kind == kind && executionOf(f.ID) == executionOf(id) {
			at = core.LSN(i + 1)
		}
	}
	return at
}

// starts are how many attempts of each durable execution have a fact of their start.
func (j *journal) starts() map[[8]byte]int {
	n := map[[8]byte]int{}
	for i := range j.facts {
		if f := &j.facts[i]; f.Kind == core.FactStarted {
			n[executionOf(f.ID)]++
		}
	}
	return n
}

// specs are specs as the journal has them.
type specs struct{}

// EncodeSpec implements core.SpecCodec.
func (specs) EncodeSpec(s *core.Spec) ([]byte, error) { return json.Marshal(s) }

// DecodeSpec implements core.SpecCodec.
func (specs) DecodeSpec(stored []byte) (*core.Spec, error) {
	s := &core.Spec{}
	return s, json.Unmarshal(stored, s)
}
