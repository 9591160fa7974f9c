package deploy

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/funcspec"
	"simplane/server/internal/httpjson"
)

// revisionsKept is how many specs of a function are remembered, the present one
// included.
const revisionsKept = 10

// MaxStoredBytes bounds a spec with its earlier revisions, as it is stored; what is said of
// those beside their specs is small.
const MaxStoredBytes = revisionsKept * (funcspec.MaxJSONBytes + 4<<10)

// codeSpecsFull is the error of a spec for which there is no room.
const codeSpecsFull = "SPEC_STORE_FULL"

// Revision is a spec that a function has had. The spec of one that an earlier
// process has left is resolved anew.
type Revision struct {
	Spec *core.Spec
	At   time.Time // since when
	Who  string    // the author, as in the audit log
	// Restores is the generation whose spec a rollback has put in force again; 0 =
	// it was no rollback.
	Restores uint64
	// Failed says that its instances did not get ready before the next change.
	Failed bool
}

// SpecRoom is what the specs of all functions of a process may take in memory, and
// do: revisions included, as the present specs are among them.
type SpecRoom struct {
	most  int64
	bytes atomic.Int64
}

// NewSpecRoom makes room for so many bytes.
func NewSpecRoom(bytes int64) *SpecRoom { return &SpecRoom{most: bytes} }

// revisions are those of each registered function of a core, oldest first. The
// Registrar's lock guards it.
type revisions struct {
	of   map[*core.Function][]Revision
	room *SpecRoom
}

// fits is nil when another spec has room, else the error. It is for fn, or for
// a new function when that is nil.
func (r *revisions) fits(fn *core.Function, spec *core.Spec) *httpjson.Error {
	after := r.room.bytes.Load() + funcspec.Cost(spec)
	if kept := r.of[fn]; len(kept) == revisionsKept {
		after -= funcspec.Cost(kept[0].Spec)
	}
	if after <= r.room.most {
		return nil
	}
	return &httpjson.Error{Status: fasthttp.StatusServiceUnavailable, Code: codeSpecsFull, Message: fmt.Sprintf(
		"no room for this spec: all functions' specs, their last %d revisions included, would take %d bytes, maxSpecBytes is %d; delete functions, or raise it", revisionsKept, after, r.room.most)}
}

// signed is spec with its author, the present time, and the revisions before it,
// so that whoever stores the spec stores these too. fn is nil for a new function.
func (r *revisions) signed(fn *core.Function, spec *core.Spec, who string, restores uint64) *core.Spec {
	runtime, again := *funcspec.Of(spec), *spec
	runtime.Origin = &funcspec.Origin{Who: who, At: time.Now().UTC(), Restores: restores}
	earlier := r.of[fn]
	for _, rev := range earlier[max(len(earlier)-revisionsKept+1, 0):] {
		runtime.Origin.Earlier = append(runtime.Origin.Earlier, funcspec.Revision{Spec: funcspec.View(rev.Spec), Who: rev.Who, At: rev.At, Restores: rev.Restores, Failed: rev.Failed})
	}
	again.Data = &runtime
	return &again
}

// restore adds the revisions of a function that came back.
func (r *revisions) restore(fn *core.Function) error {
	spec := fn.Spec()
	origin := funcspec.Of(spec).Origin
	if origin == nil {
		origin = &funcspec.Origin{}
	}
	for _, rev := range origin.Earlier {
		earlier, err := funcspec.Restore(rev.Spec)
		if err != nil {
			return err
		}
		r.insert(fn, Revision{Spec: earlier, At: rev.At, Who: rev.Who, Restores: rev.Restores, Failed: rev.Failed})
	}
	r.insert(fn, Revision{Spec: spec, At: origin.At, Who: origin.Who, Restores: origin.Restores})
	return nil
}

// add adds the spec that has just come into force, which signed has made.
func (r *revisions) add(fn *core.Function, spec *core.Spec) {
	origin := funcspec.Of(spec).Origin
	r.insert(fn, Revision{Spec: spec, At: origin.At, Who: origin.Who, Restores: origin.Restores})
}

func (r *revisions) insert(fn *core.Function, rev Revision) {
	kept := append(r.of[fn], rev)
	spec := rev.Spec
	r.room.bytes.Add(funcspec.Cost(spec))
	if over := len(kept) - revisionsKept; over > 0 {
		r.room.bytes.Add(-cost(kept[:over]))
		kept = slices.Delete(kept, 0, over)
	}
	r.of[fn] = kept
}

func cost(kept []Revision) (n int64) {
	for i := range kept {
		n += funcspec.Cost(kept[i].Spec)
	}
	return n
}

// list has a function's, newest first.
func (r *revisions) list(fn *core.Function) []Revision {
	kept := slices.Clone(r.of[fn])
	slices.Reverse(kept)
	return kept
}

// failed notes that the newest revision's instances did not get ready.
func (r *revisions) failed(fn *core.Function) {
	if kept := r.of[fn]; len(kept) > 0 {
		kept[len(kept)-1].Failed = true
	}
}

func (r *revisions) forget(fn *core.Function) {
	r.room.bytes.Add(-cost(r.of[fn]))
	delete(r.of, fn)
}
