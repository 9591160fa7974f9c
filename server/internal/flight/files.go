package flight

import (
	"errors"
	"os"
	"sync/atomic"
	"time"

	"simplane/core"
	"simplane/core/recording"
)

// Bounds of what waits to be written. Beyond them the disk is too slow.
const (
	chunkSteps   = 512
	chunks       = 256      // of all rings together, 8 MiB
	basesWaiting = 1024     // bases in the queue
	baseRoom     = 64 << 20 // bytes of those in memory
	flushPace    = time.Second
)

const tooSlow = "the disk could not keep up"

// chunk is steps of one ring on their way to a file.
type chunk struct{ steps []core.Step }

// queued is a chunk or a base.
type queued struct {
	chunk *chunk
	base  *core.Base
	size  int64 // of the base
}

// files has a goroutine write all steps. Rings hand them over and never wait: if
// there is no room, recording ends for good.
type files struct {
	r            *Recorder
	free         chan *chunk
	queue        chan queued
	waiting      atomic.Int64 // bytes of the bases in queue
	made         atomic.Int32 // chunks
	steps, bytes atomic.Int64 // written
	why          atomic.Pointer[string]
	wake         chan struct{} // why is set
	stop         chan struct{}
	done         chan struct{}

	// Of the goroutine.
	dir         *directory
	file        *os.File
	w           *recording.Writer
	header      recording.Header
	before      int64 // bytes written when the counter was last told
	newest      map[uint32]*core.Base
	newestBytes int64
}

func openFiles(r *Recorder, path string, maxBytes int64) (*files, error) {
	dir, err := openDirectory(path, maxBytes)
	if err != nil {
		return nil, err
	}
	f := &files{
		r: r, free: make(chan *chunk, chunks), queue: make(chan queued, chunks+basesWaiting),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
		dir: dir, newest: map[uint32]*core.Base{},
	}
	f.header = r.o.Header("record")
	f.header.Series = f.header.Made
	if err := f.begin(); err != nil {
		return nil, errors.Join(err, dir.close())
	}
	return f, nil
}

// fresh is an empty chunk; nil when all are in use.
func (f *files) fresh() *chunk {
	select {
	case c := <-f.free:
		return c
	default:
	}
	if f.made.Add(1) > chunks {
		f.made.Add(-1)
		return nil
	}
	return &chunk{make([]core.Step, 0, chunkSteps)}
}

// handOver queues a chunk and returns an empty one; nil when recording has ended.
// The caller holds the ring's lock.
func (f *files) handOver(c *chunk) *chunk {
	if f.why.Load() != nil || !f.send(queued{chunk: c}) {
		return nil
	}
	next := f.fresh()
	if next == nil {
		f.end(tooSlow)
	}
	return next
}

// base queues a base; false when recording has ended. The caller holds the ring's
// lock.
func (f *files) base(b *core.Base, size int64) bool {
	switch {
	case f.why.Load() != nil:
		return false
	case f.waiting.Add(size) > baseRoom:
		f.end(tooSlow)
		return false
	}
	return f.send(queued{base: b, size: size})
}

func (f *files) send(q queued) bool {
	select {
	case f.queue <- q:
		return true
	default:
		f.end(tooSlow)
		return false
	}
}

// end stops recording. What is queued is still written.
func (f *files) end(why string) {
	if f.why.CompareAndSwap(nil, &why) {
		f.wake <- struct{}{}
	}
}

// run writes what comes until there is an end.
func (f *files) run() {
	defer close(f.done)
	tick := time.NewTicker(flushPace)
	defer tick.Stop()
	for {
		var err error
		select {
		case q := <-f.queue:
			err = f.write(q)
		case <-tick.C:
			f.collect(false)
			if err = f.drain(); err == nil {
				err = f.w.Flush()
			}
		case <-f.wake:
			f.finish(f.drain(), *f.why.Load())
			return
		case <-f.stop:
			f.collect(true)
			f.finish(f.drain(), "")
			return
		}
		f.count()
		if err != nil {
			f.finish(err, "")
			return
		}
	}
}

// collect queues what the rings have in chunks that are not full; last says that
// they get no others.
func (f *files) collect(last bool) {
	for i := range f.r.rings {
		g := &f.r.rings[i]
		g.mu.Lock()
		if g.chunk != nil && (last || len(g.chunk.steps) > 0) {
			if g.chunk = f.handOver(g.chunk); last {
				g.chunk = nil
			}
		}
		g.mu.Unlock()
	}
}

// drain writes what is queued now.
func (f *files) drain() error {
	for range len(f.queue) {
		if err := f.write(<-f.queue); err != nil {
			return err
		}
	}
	return nil
}

func (f *files) write(q queued) (err error) {
	if q.base != nil {
		f.waiting.Add(-q.size)
		f.keep(q.base, q.size)
		if err = f.w.Base(q.base); errors.Is(err, recording.ErrBaseTooLarge) {
			f.r.counts.basesDropped.Add(1)
			err = nil
		}
	} else {
		err = f.w.Steps(q.chunk.steps)
		f.steps.Add(int64(len(q.chunk.steps)))
		q.chunk.steps = q.chunk.steps[:0]
		f.free <- q.chunk
	}
	if err == nil && f.w.Written() >= f.dir.fileMax {
		err = f.next()
	}
	return err
}

// keep remembers the latest state of each function, for the next file.
func (f *files) keep(b *core.Base, size int64) {
	if !b.Whole {
		return
	}
	if before := f.newest[b.Domain]; before != nil {
		f.newestBytes -= baseBytes(before)
		delete(f.newest, b.Domain)
	}
	if !b.Deleted && f.newestBytes+size <= baseRoom {
		f.newest[b.Domain], f.newestBytes = b, f.newestBytes+size
	}
}

// next ends the file and begins another with the states of all functions.
func (f *files) next() error {
	if err := f.w.Close(""); err != nil {
		return err
	}
	f.count()
	if err := f.closeFile(); err != nil {
		return err
	}
	if err := f.begin(); err != nil {
		return err
	}
	for _, b := range f.newest {
		if f.w.Written() > f.dir.fileMax/4 {
			break
		}
		if err := f.w.Base(b); err != nil && !errors.Is(err, recording.ErrBaseTooLarge) {
			return err
		}
	}
	return nil
}

// begin begins a file. Only the first one of a process has all there was before
// its steps: nothing.
func (f *files) begin() (err error) {
	if f.file, err = f.dir.create(); err != nil {
		return err
	}
	f.header.Part++
	f.header.Whole = f.header.Part == 1
	f.header.Made = time.Now().UnixNano()
	f.before = 0
	f.w, err = recording.NewWriter(f.file, f.header)
	return err
}

// count tells the counter of bytes.
func (f *files) count() {
	f.bytes.Add(f.w.Written() - f.before)
	f.before = f.w.Written()
}

func (f *files) closeFile() error {
	f.dir.add(f.file.Name(), f.w.Written())
	return f.file.Close()
}

// finish ends recording: after an error, because steps were dropped, or both "".
func (f *files) finish(err error, dropped string) {
	if err == nil {
		err = f.w.Close(dropped)
	}
	f.count()
	name := f.file.Name()
	err = errors.Join(err, f.closeFile())
	if err != nil {
		why := err.Error()
		f.why.CompareAndSwap(nil, &why)
		f.r.o.Log.Error("recording has ended: it cannot be written; what is there can be read up to the last whole block", "file", name, "error", err)
	} else if dropped != "" {
		f.r.o.Log.Error("recording has ended: "+dropped+"; nothing else is affected, and a restart records again", "file", name)
	}
	_ = f.dir.close()
}

// close ends recording and waits for the last block, for a while.
func (f *files) close() {
	select {
	case <-f.stop:
	default:
		close(f.stop)
	}
	select {
	case <-f.done:
	case <-time.After(f.r.patience):
		f.r.o.Log.Error("the last block of the recording is not written: the disk does not answer")
	}
}
