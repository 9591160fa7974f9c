// Package memengine is a cluster's engine in memory: one object, whose calls take
// effect one after the other. It is for tests of several nodes in one process, which
// can cut each node off from it, and lose what it had acknowledged.
package memengine

import (
	"context"
	"errors"
	"slices"
	"sync"

	"simplane/core"
	"simplane/core/cluster"
	"simplane/server/internal/replica"
)

// Hub is what all nodes share.
type Hub struct {
	mu        sync.Mutex
	place     uint64
	records   [cluster.Partitions]cluster.Ownership
	claims    [cluster.Partitions]int
	frames    [cluster.Partitions][]frame
	members   map[string]cluster.Member
	announced map[string]announcement
	once      map[string][]byte
	batches   map[string]bool
	watchers  map[*watcher]struct{}
	purged    int
	// announcements is how many calls of Announce were carried out.
	announcements int
	most          int64 // bytes of frames; 0 = no bound
}

type announcement struct {
	version uint64
	value   []byte
}

type frame struct {
	at   uint64
	data []byte
}

// New makes a Hub.
func New() *Hub {
	return &Hub{members: map[string]cluster.Member{}, announced: map[string]announcement{}, once: map[string][]byte{}, batches: map[string]bool{}, watchers: map[*watcher]struct{}{}}
}

// Lose drops the last frame of a partition, as an engine does that has acknowledged
// it before it was safe; false when there is none.
func (h *Hub) Lose(p core.Partition) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.frames[p]); n > 0 {
		h.frames[p] = h.frames[p][:n-1]
		return true
	}
	return false
}

// Spoil has the frames of a partition be what change makes of them.
func (h *Hub) Spoil(p core.Partition, change func(frames [][]byte) [][]byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var data [][]byte
	for _, f := range h.frames[p] {
		data = append(data, slices.Clone(f.data))
	}
	at := uint64(0)
	var frames []frame
	for i, changed := range change(data) {
		if i < len(h.frames[p]) {
			at = h.frames[p][i].at
		} else {
			h.place++
			at = h.place
		}
		frames = append(frames, frame{at, changed})
	}
	h.frames[p] = frames
}

// Owner is the newest ownership record of a partition, and how often it was claimed.
func (h *Hub) Owner(p core.Partition) (cluster.Ownership, int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.records[p], h.claims[p]
}

// Announced is the newest value of a key, and how many calls of Announce were carried out.
func (h *Hub) Announced(key string) ([]byte, int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.announced[key].value, h.announcements
}

// Bound refuses frames beyond so many bytes; 0 = it does not.
func (h *Hub) Bound(most int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.most = most
}

func (h *Hub) used() (bytes int64) {
	for _, frames := range h.frames {
		for _, f := range frames {
			bytes += int64(len(f.data))
		}
	}
	return bytes
}

// Purged is how many frames were removed as no longer needed.
func (h *Hub) Purged() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.purged
}

// Engine is one node's connection.
type Engine struct {
	h    *Hub
	life string

	mu     sync.Mutex
	cut    chan struct{} // closed when the node is not cut off
	watch  *watcher
	behind bool
	// What is announced, and what the watch tells of that, waits for a place here; nil =
	// it does not.
	announces, tells chan struct{}
	told             int // announcements
	// commits is asked before each Commit, which it may fail.
	commits func(frames []cluster.StoredFrame) error
	reads   chan struct{} // as announces
}

var _ replica.Engine = (*Engine)(nil)

// Connect makes a node's connection.
func (h *Hub) Connect() *Engine {
	open := make(chan struct{})
	close(open)
	return &Engine{h: h, cut: open}
}

// Cut cuts the node off: its calls do not answer, and its watch tells nothing.
func (e *Engine) Cut() {
	e.mu.Lock()
	e.cut = make(chan struct{})
	w := e.watch
	e.mu.Unlock()
	if w != nil {
		w.pause(true)
	}
}

// Heal ends Cut.
func (e *Engine) Heal() {
	e.mu.Lock()
	close(e.cut)
	w := e.watch
	e.mu.Unlock()
	if w != nil {
		e.h.mu.Lock()
		e.h.tellAll(w)
		e.h.mu.Unlock()
		w.pause(false)
	}
}

// Announcing has each call of Announce take one from gate first; nil = none does.
func (e *Engine) Announcing(gate chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.announces = gate
}

// Reading is Announcing for Read and Next.
func (e *Engine) Reading(gate chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reads = gate
}

func (e *Engine) waitToRead(ctx context.Context) error {
	e.mu.Lock()
	gate := e.reads
	e.mu.Unlock()
	if gate == nil {
		return nil
	}
	select {
	case <-gate:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Committing has f asked before each Commit, which fails if f says so; nil = none is.
func (e *Engine) Committing(f func(frames []cluster.StoredFrame) error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.commits = f
}

// Telling has the watch take one from gate before it tells what was announced; nil = it
// does not.
func (e *Engine) Telling(gate chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tells = gate
}

// Told is how often the watch has told what was announced.
func (e *Engine) Told() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.told
}

// waitToTell waits as Telling says.
func (e *Engine) waitToTell(end <-chan struct{}) {
	e.mu.Lock()
	gate := e.tells
	e.mu.Unlock()
	if gate == nil {
		return
	}
	select {
	case <-gate:
	case <-end:
	}
}

// reach waits while the node is cut off, and then takes the hub's lock.
func (e *Engine) reach(ctx context.Context) error {
	e.mu.Lock()
	cut := e.cut
	e.mu.Unlock()
	select {
	case <-cut:
	case <-ctx.Done():
		return ctx.Err()
	}
	e.h.mu.Lock()
	return nil
}

// Renew implements replica.Engine.
func (e *Engine) Renew(ctx context.Context, m cluster.Member) error {
	if err := e.reach(ctx); err != nil {
		return err
	}
	defer e.h.mu.Unlock()
	if old, known := e.h.members[m.Name]; known && old.Life != m.Life && e.life == m.Life {
		return cluster.ErrReplaced
	}
	e.life = m.Life
	e.h.members[m.Name] = m
	e.h.tell(replica.Event{Member: &m})
	return nil
}

// Resign implements replica.Engine.
func (e *Engine) Resign(ctx context.Context) error {
	if err := e.reach(ctx); err != nil {
		return err
	}
	defer e.h.mu.Unlock()
	for name, m := range e.h.members {
		if m.Life == e.life {
			delete(e.h.members, name)
			e.h.tell(replica.Event{Gone: &m})
		}
	}
	return nil
}

// Member implements replica.Engine.
func (e *Engine) Member(ctx context.Context, name string) (*cluster.Member, error) {
	if err := e.reach(ctx); err != nil {
		return nil, err
	}
	defer e.h.mu.Unlock()
	if m, known := e.h.members[name]; known {
		return &m, nil
	}
	return nil, nil
}

// Claim implements replica.Engine.
func (e *Engine) Claim(ctx context.Context, p core.Partition, o cluster.Ownership, seen cluster.Fence) (cluster.Fence, error) {
	if err := e.reach(ctx); err != nil {
		return 0, err
	}
	defer e.h.mu.Unlock()
	if e.h.records[p].Fence != seen {
		return 0, cluster.ErrOvertaken
	}
	e.h.place++
	o.Fence = cluster.Fence(e.h.place)
	e.h.records[p] = o
	if !o.Free {
		e.h.claims[p]++
	}
	e.h.tell(replica.Event{Partition: p, Owner: &o})
	return o.Fence, nil
}

// Free implements replica.Engine.
func (e *Engine) Free(ctx context.Context, p core.Partition, o cluster.Ownership, at cluster.Fence) (cluster.Fence, error) {
	return e.Claim(ctx, p, o, at)
}

// Commit implements replica.Engine.
func (e *Engine) Commit(ctx context.Context, id string, frames []cluster.StoredFrame) (uint64, error) {
	e.mu.Lock()
	asked := e.commits
	e.mu.Unlock()
	if asked != nil {
		if err := asked(frames); err != nil {
			return 0, err
		}
	}
	if err := e.reach(ctx); err != nil {
		return 0, err
	}
	defer e.h.mu.Unlock()
	if e.h.batches[id] {
		return 0, nil
	}
	var fenced []core.Partition
	for _, f := range frames {
		if e.h.records[f.Partition].Fence != f.Fence && !slices.Contains(fenced, f.Partition) {
			fenced = append(fenced, f.Partition)
		}
	}
	if len(fenced) > 0 {
		return 0, &cluster.FencedError{Partitions: fenced}
	}
	size := e.h.used()
	for _, f := range frames {
		size += int64(len(f.Data))
	}
	if e.h.most > 0 && size > e.h.most {
		return 0, replica.ErrFull
	}
	for _, f := range frames {
		e.h.place++
		e.h.frames[f.Partition] = append(e.h.frames[f.Partition], frame{e.h.place, slices.Clone(f.Data)})
	}
	e.h.batches[id] = true
	return e.h.place, nil
}

var errEnd = errors.New("there are no more frames")

// Read implements replica.Engine.
func (e *Engine) Read(ctx context.Context, p core.Partition, from uint64, until cluster.Fence, each func(uint64, []byte) error) error {
	if err := e.waitToRead(ctx); err != nil {
		return err
	}
	if err := e.reach(ctx); err != nil {
		return err
	}
	frames := slices.Clone(e.h.frames[p])
	e.h.mu.Unlock()
	for _, f := range frames {
		if f.at < from || until != 0 && f.at > uint64(until) {
			continue
		}
		if err := each(f.at, f.data); err != nil {
			return err
		}
	}
	if until == 0 {
		return errEnd
	}
	return nil
}

// Next implements replica.Engine.
func (e *Engine) Next(ctx context.Context, p core.Partition, from uint64) (at uint64, data []byte, err error) {
	if err := e.reach(ctx); err != nil {
		return 0, nil, err
	}
	defer e.h.mu.Unlock()
	for _, f := range e.h.frames[p] {
		if f.at >= from {
			return f.at, f.data, nil
		}
	}
	return 0, nil, nil
}

// Space implements replica.Engine.
func (e *Engine) Space(ctx context.Context) (used, most int64, err error) {
	if err := e.reach(ctx); err != nil {
		return 0, 0, err
	}
	defer e.h.mu.Unlock()
	return e.h.used(), e.h.most, nil
}

// Current implements replica.Engine.
func (e *Engine) Current(context.Context) (bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return !e.behind, nil
}

// Behind has the node's copy be behind, or not any more.
func (e *Engine) Behind(yes bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.behind = yes
}

// StepDown implements replica.Engine: nobody leads.
func (e *Engine) StepDown(context.Context) error { return nil }

// Purge implements replica.Engine.
func (e *Engine) Purge(ctx context.Context, p core.Partition, before uint64) error {
	if err := e.reach(ctx); err != nil {
		return err
	}
	defer e.h.mu.Unlock()
	had := len(e.h.frames[p])
	e.h.frames[p] = slices.DeleteFunc(e.h.frames[p], func(f frame) bool { return f.at < before })
	e.h.purged += had - len(e.h.frames[p])
	return nil
}

// Announce implements replica.Engine.
func (e *Engine) Announce(ctx context.Context, key string, version uint64, value []byte) error {
	e.mu.Lock()
	gate := e.announces
	e.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := e.reach(ctx); err != nil {
		return err
	}
	defer e.h.mu.Unlock()
	e.h.announcements++
	if old, known := e.h.announced[key]; known && old.version >= version {
		return nil
	}
	e.h.announced[key] = announcement{version, value}
	e.h.tell(replica.Event{Key: key, Value: value})
	return nil
}

// Once implements replica.Engine.
func (e *Engine) Once(ctx context.Context, key string, value []byte) ([]byte, error) {
	if err := e.reach(ctx); err != nil {
		return nil, err
	}
	defer e.h.mu.Unlock()
	if had, known := e.h.once[key]; known {
		return had, nil
	}
	e.h.once[key] = slices.Clone(value)
	return value, nil
}

// MaxFrame implements replica.Engine.
func (e *Engine) MaxFrame() int { return 512 << 10 }

// Close implements replica.Engine.
func (e *Engine) Close() error { return nil }

// watcher tells one node, in order, from a goroutine of its own.
type watcher struct {
	mu     sync.Mutex
	queue  []replica.Event
	paused bool
	wake   chan struct{}
}

func (w *watcher) add(events ...replica.Event) {
	w.mu.Lock()
	w.queue = append(w.queue, events...)
	w.mu.Unlock()
	w.signal()
}

func (w *watcher) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// pause has the watch be interrupted: what is told meanwhile is lost.
func (w *watcher) pause(yes bool) {
	w.mu.Lock()
	w.paused = yes
	w.mu.Unlock()
	w.signal()
}

// tell tells all; the caller holds the lock.
func (h *Hub) tell(e replica.Event) {
	for w := range h.watchers {
		w.mu.Lock()
		paused := w.paused
		w.mu.Unlock()
		if !paused {
			w.add(e)
		}
	}
}

// tellAll tells one all that there is; the caller holds the lock.
func (h *Hub) tellAll(w *watcher) {
	var events []replica.Event
	for _, m := range h.members {
		events = append(events, replica.Event{Member: &m})
	}
	for p := range h.records {
		if o := h.records[p]; o.Fence != 0 {
			events = append(events, replica.Event{Partition: core.Partition(p), Owner: &o})
		}
	}
	for key, a := range h.announced {
		events = append(events, replica.Event{Key: key, Value: a.value})
	}
	w.add(append(events, replica.Event{CaughtUp: true})...)
}

// Watch implements replica.Engine.
func (e *Engine) Watch(f func(replica.Event)) (stop func()) {
	w := &watcher{wake: make(chan struct{}, 1)}
	e.mu.Lock()
	e.watch = w
	e.mu.Unlock()
	e.h.mu.Lock()
	e.h.watchers[w] = struct{}{}
	e.h.tellAll(w)
	e.h.mu.Unlock()
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		lost := false
		for {
			w.mu.Lock()
			todo, paused := w.queue, w.paused
			if !paused {
				w.queue = nil
			}
			w.mu.Unlock()
			if paused != lost {
				if lost = paused; paused {
					f(replica.Event{Lost: true})
				}
			}
			for _, event := range todo {
				if paused {
					break
				}
				if event.Key != "" {
					e.waitToTell(end)
				}
				f(event)
				if event.Key != "" {
					e.mu.Lock()
					e.told++
					e.mu.Unlock()
				}
			}
			select {
			case <-w.wake:
			case <-end:
				return
			}
		}
	}()
	return func() {
		e.h.mu.Lock()
		delete(e.h.watchers, w)
		e.h.mu.Unlock()
		close(end)
		<-ended
	}
}
