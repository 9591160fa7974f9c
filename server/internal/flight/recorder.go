package flight

import (
	"log/slog"
	"sync/atomic"
	"time"

	"simplane/core"
	"simplane/core/recording"
)

const (
	rings     = 8
	stepBytes = 64 // of a core.Step

	// MinBytes is the least size of the rings together.
	MinBytes = 64 << 10
)

// Options are what a Recorder keeps.
type Options struct {
	// Bytes is the size of the rings together, at least MinBytes; 0 = none. The
	// states of functions that go with them may take twice that.
	Bytes int64
	// DumpDir is where DumpFile writes.
	DumpDir string
	// Header is the header of what is written now; why says what asked for it.
	Header func(why string) recording.Header
	Log    *slog.Logger
}

// Recorder is a core.Recorder.
type Recorder struct {
	o         Options
	rings     [rings]ring
	baseBytes atomic.Int64 // of all rings
	maxBases  int64
	files     *files // nil without
	counts    counts
	crashes   crashes
	patience  time.Duration // with a disk that hangs
}

// New makes a recorder.
func New(o Options) *Recorder {
	r := &Recorder{o: o, maxBases: max(2*o.Bytes, leastBaseBytes), patience: diskPatience}
	for i := range r.rings {
		g := &r.rings[i]
		g.steps = make([]core.Step, o.Bytes/rings/stepBytes)
		g.newest = map[uint32]*heldBase{}
	}
	return r
}

// Record has all steps from now on written into files in dir, which together take
// about maxBytes at most, at least MinMaxBytes: the oldest go first. It is to be
// called before the first step.
func (r *Recorder) Record(dir string, maxBytes int64) error {
	f, err := openFiles(r, dir, maxBytes)
	if err != nil {
		return err
	}
	r.files = f
	for i := range r.rings {
		g := &r.rings[i]
		g.mu.Lock()
		g.chunk = f.fresh()
		g.mu.Unlock()
	}
	go f.run()
	return nil
}

// Step implements core.Recorder.
func (r *Recorder) Step(s core.Step) {
	g := r.ring(s.Domain)
	g.mu.Lock()
	g.total++
	if len(g.steps) > 0 {
		g.steps[g.at] = s
		if g.at++; g.at == len(g.steps) {
			g.at = 0
		}
	}
	if g.chunk != nil {
		if g.chunk.steps = append(g.chunk.steps, s); len(g.chunk.steps) == cap(g.chunk.steps) {
			g.chunk = r.files.handOver(g.chunk)
		}
	}
	g.mu.Unlock()
}

// Base implements core.Recorder.
func (r *Recorder) Base(b *core.Base) { r.base(b, nil) }

// base is Base for the core of a part; nil without parts.
func (r *Recorder) base(b *core.Base, of *Part) {
	g := r.ring(b.Domain)
	size := baseBytes(b)
	g.mu.Lock()
	if len(g.steps) > 0 {
		r.hold(g, b, size, of)
	}
	if g.chunk != nil && !r.files.base(b, size) {
		g.chunk = nil
	}
	g.mu.Unlock()
}

func (r *Recorder) ring(domain uint32) *ring { return &r.rings[domain%rings] }

// Close writes the end of the last file. Steps that come later are not in it.
func (r *Recorder) Close() {
	if r != nil && r.files != nil {
		r.files.close()
	}
}

// diskPatience bounds how long the end of the process waits for a disk that hangs.
const diskPatience = 5 * time.Second
