package deploy

import (
	"slices"
	"time"

	"simplane/core"
)

// revisionsKept is how many specs of a function are remembered, the present one
// included.
const revisionsKept = 10

// Revision is a spec that a function has had.
type Revision struct {
	Spec *core.Spec
	At   time.Time // since when
	Who  string    // the author, as in the audit log
}

// revisions are those of each registered function, oldest first. The
// Registrar's lock guards it.
type revisions map[*core.Function][]Revision

func (r revisions) add(fn *core.Function, spec *core.Spec, who string) {
	kept := append(r[fn], Revision{Spec: spec, At: time.Now(), Who: who})
	if over := len(kept) - revisionsKept; over > 0 {
		kept = slices.Delete(kept, 0, over)
	}
	r[fn] = kept
}

// of lists a function's, newest first.
func (r revisions) of(fn *core.Function) []Revision {
	kept := slices.Clone(r[fn])
	slices.Reverse(kept)
	return kept
}

func (r revisions) forget(fn *core.Function) { delete(r, fn) }
