package jetstream

import (
	"context"
	"encoding/json"
	"maps"
	"strings"
	"sync"

	js "github.com/nats-io/nats.go/jetstream"

	"simplane/core"
	"simplane/core/cluster"
	"simplane/server/internal/replica"
)

// Watch calls f, one call at a time, with all that is and what becomes of it, until
// stop has returned. f must not call stop.
//
// It reads both streams, each in its order. A reader that was interrupted begins with
// everything again, perhaps on a server that is behind. What was told is not told
// again: no older record of a partition, a member or a key ever follows a newer one.
func (e *Engine) Watch(f func(replica.Event)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	w := &watch{e: e, tell: f, owned: map[core.Partition]cluster.Fence{}, known: map[string]seenRecord{}}
	var all sync.WaitGroup
	for i, r := range []follower{
		{stream: e.frames, filters: []string{e.subjects.ownPrefix() + "*"}, each: w.ownership},
		{stream: e.nodes, filters: []string{e.subjects.nodePrefix() + "*", e.subjects.setPrefix() + "*"}, each: w.node},
	} {
		part := &watchPart{watch: w, bit: 1 << i, each: r.each}
		r.e, r.begin, r.ready, r.each = e, part.begin, part.ready, part.message
		all.Go(func() { _ = r.run(ctx) })
	}
	return func() {
		cancel()
		all.Wait()
	}
}

// watch is what has been told. Its lock is held while tell is called.
type watch struct {
	e        *Engine
	mu       sync.Mutex
	tell     func(replica.Event)
	caughtUp uint8 // a bit for each part
	owned    map[core.Partition]cluster.Fence
	known    map[string]seenRecord // by subject, of the other stream
}

const allParts = 3

// seenRecord is the newest record of a subject that was told.
type seenRecord struct {
	at     uint64
	member *cluster.Member // nil = it has gone, or this is no member
	// missing says that a reader began again and has not met it: it was removed, or
	// the reader's server is behind.
	missing bool
}

// watchPart tells what comes from one stream.
type watchPart struct {
	*watch
	bit  uint8
	each func(m js.Msg, at, pending uint64) error
}

func (p *watchPart) begin() (js.DeliverPolicy, uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.caughtUp == allParts {
		p.tell(replica.Event{Lost: true})
	}
	p.caughtUp &^= p.bit
	return js.DeliverLastPerSubjectPolicy, 0
}

func (p *watchPart) ready(waiting uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bit == 2 {
		for subject, r := range p.known {
			r.missing = r.member != nil
			p.known[subject] = r
		}
	}
	p.progress(waiting)
}

func (p *watchPart) message(m js.Msg, at, pending uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.each(m, at, pending)
	p.progress(pending)
	return err
}

// progress says so when all that was there has been told.
func (p *watchPart) progress(pending uint64) {
	before := p.caughtUp
	if pending == 0 {
		p.caughtUp |= p.bit
	}
	if before != allParts && p.caughtUp == allParts {
		p.tell(replica.Event{CaughtUp: true})
	}
}

func (w *watch) ownership(m js.Msg, at, _ uint64) error {
	p, err := w.e.subjects.partition(m.Subject())
	if err != nil {
		w.unreadable(err)
		return nil
	}
	if cluster.Fence(at) <= w.owned[p] {
		return nil
	}
	w.owned[p] = cluster.Fence(at)
	o, err := cluster.DecodeOwnership(cluster.Fence(at), m.Data())
	if err != nil { // whoever it names, the next claim is to take its place
		w.unreadable(err)
		o = cluster.Ownership{Fence: cluster.Fence(at)}
	}
	w.tell(replica.Event{Partition: p, Owner: &o})
	return nil
}

func (w *watch) node(m js.Msg, at, pending uint64) error {
	subject := m.Subject()
	if pending == 0 { // until then the missing ones may have newer records
		w.missed(subject, at)
	}
	before := w.known[subject]
	if at < before.at {
		return nil
	}
	if at == before.at {
		before.missing = false
		w.known[subject] = before
		return nil
	}
	if key, ok := strings.CutPrefix(subject, w.e.subjects.setPrefix()); ok {
		w.known[subject] = seenRecord{at: at}
		if key, err := unescape(key); err != nil {
			w.unreadable(err)
		} else {
			w.tell(replica.Event{Key: key, Value: m.Data()})
		}
		return nil
	}
	if len(m.Data()) == 0 { // resigned, or expired
		w.gone(subject, at)
		return nil
	}
	var member cluster.Member
	if err := json.Unmarshal(m.Data(), &member); err != nil {
		w.unreadable(err)
		return nil
	}
	w.known[subject] = seenRecord{at: at, member: &member}
	w.tell(replica.Event{Member: &member})
	return nil
}

// missed tells which members are gone whose records a new reader has not met, although
// it is past them and has met all that there is. met is what it meets now.
func (w *watch) missed(met string, at uint64) {
	for subject, r := range maps.Clone(w.known) {
		if r.missing && at > r.at && subject != met {
			w.gone(subject, r.at)
		}
	}
}

func (w *watch) gone(subject string, at uint64) {
	before := w.known[subject]
	if len(w.known) >= maxKnown {
		w.forget()
	}
	w.known[subject] = seenRecord{at: at}
	if before.member != nil {
		w.tell(replica.Event{Gone: before.member})
	}
}

// maxKnown bounds what is remembered of members that have gone, where every process
// has a name of its own.
const maxKnown = 4096

// forget drops what is remembered of members that have gone. A reader at a server that
// is far behind may tell one of them again, until it is told to be gone again.
func (w *watch) forget() {
	maps.DeleteFunc(w.known, func(subject string, r seenRecord) bool {
		return r.member == nil && strings.HasPrefix(subject, w.e.subjects.nodePrefix())
	})
}

func (w *watch) unreadable(err error) {
	w.e.Log.Error("cluster: a message of the engine cannot be read", "error", err)
}
