package sim

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"simplane/core"
	"simplane/core/cluster"
	"simplane/sim/internal/nodes"
	"simplane/sim/internal/random"
	"simplane/sim/internal/world"
)

// several is the witness of a run with several nodes. Each partition with functions
// has a durable of its own: it folds the frames in the engine's order, whoever wrote
// them, and is what any node's core of that partition is compared with. several
// itself judges what is between nodes. It implements world.Witness and nodes.Watch.
type several struct {
	*witness
	r       *run
	cluster *nodes.Cluster
	parts   [cluster.Partitions]*part
	ids     uint64
	idSeed  uint64
	seats   map[*nodes.Seat]*seating

	completing *account // by the call that is carried out
	completion string   // what it is to end as
	// completionOf is the attempt that the call names; 0 = any.
	completionOf int
	hearing      hearing // of the outcome that an owner is being told
	configs      configurations

	steps, unverified int64 // that were taken again
	quietAsked        int64 // virtual time of the last look
}

// part is a partition with functions.
type part struct {
	durable
	number   core.Partition
	group    *group // of its first function, for counts
	reached  core.LSN
	newest   int64 // wall ns: of the facts' times
	owner    cluster.Ownership
	seq      uint64        // of the newest frame
	epoch    cluster.Fence // its
	base     uint64        // its
	lost     uint64        // Seq of a frame that the engine has lost; 0 = none
	closed   bool
	held     cluster.Fence       // of the newest owner that hands it over
	acked    map[core.ID]bool    // acknowledged to somebody
	gone     map[core.ID]bool    // evicted, past their TTL, or lost with a process's memory
	redriven map[core.ID]core.ID // dead letters, and what they became
	spread   time.Duration       // of clocks, from the true time
}

// seating is what is kept of a core.
type seating struct {
	tape *tape
	made []*generation
}

func newSeveral(r *run) *several {
	k := &several{
		witness: r.witness, r: r, cluster: nodes.New(r.sc, r.loop, r.world),
		idSeed: random.Mix(r.sc.Seed ^ 0x6e6f646573), seats: map[*nodes.Seat]*seating{}, quietAsked: -1,
	}
	k.startConfigurations()
	for _, f := range k.functions {
		k.judges(core.PartitionOf(f.name), f.group)
	}
	if r.sc.Configures() {
		k.judges(nodes.ConfigPartition, k.functions[0].group)
	}
	// What is early or late is judged by the fastest clock.
	spread := k.cluster.Spread(r.sc.Duration + r.sc.Settle + time.Hour)
	k.clock.Advance(spread)
	for _, t := range k.parts {
		if t != nil {
			t.spread = spread
		}
	}
	return k
}

// judges has a partition judged; g is for its counts.
func (k *several) judges(p core.Partition, g *group) {
	if k.parts[p] == nil {
		t := &part{number: p, group: g, acked: map[core.ID]bool{}, gone: map[core.ID]bool{}, redriven: map[core.ID]core.ID{}}
		t.durable = *newDurable(k.witness, k.r.sc, t)
		t.durable.nodes = true
		k.parts[p] = t
	}
}

func (k *several) start() error {
	k.cluster.Start(k)
	return k.r.world.Start(nil, k)
}

// of is the partition of a function.
func (k *several) of(fn int) *part { return k.parts[core.PartitionOf(k.functions[fn].name)] }

// A part is the facts that it judges by: those in the engine.

// Room implements facts.
func (t *part) Room() bool { return true }

// Durable implements facts.
func (t *part) Durable() core.LSN { return t.reached }

// Since implements facts.
func (t *part) Since(core.LSN) int64 { return t.loop.Now() }

// Has implements facts.
func (t *part) Has(core.LSN) bool { return true }

// Each implements facts.
func (t *part) Each(func(core.LSN, *core.Fact)) {}

// seatWitness observes one core.
type seatWitness struct {
	k *several
	t *part
	s *nodes.Seat
}

// FunctionAdded implements core.Observer.
func (o *seatWitness) FunctionAdded(fn *core.Function) any {
	g := o.t.FunctionAdded(fn)
	if f, ok := g.(*generation); ok {
		o.k.seats[o.s].made = append(o.k.seats[o.s].made, f)
	}
	return g
}

// Observe implements core.Observer.
func (o *seatWitness) Observe(ev core.Event) {
	k, t := o.k, o.t
	if !o.s.Counts() {
		return // nobody learns of it
	}
	k.log.where = " at=" + o.s.Node()
	t.seat, t.durable.core = o.s, o.s.Core
	if t.durable.core == nil { // while it restores
		t.durable.core = k.core
	}
	a := t.accounts[ev.ID]
	if ev.Kind == core.EventIdempotentHit && ev.Sync && a != nil && o.s.Fence == t.owner.Fence {
		a.joined()
	}
	if ev.Kind == core.EventEnded && a != nil && a == k.completing {
		a.brought, a.broughtBy = k.completion, k.completionOf
	}
	k.counts(&ev, a)
	t.Observe(ev)
	if ev.Kind == core.EventEvicted && a != nil && !a.letter && (!a.isDurable || o.s.Fence == t.owner.Fence) {
		delete(t.accounts, ev.ID)
		t.gone[ev.ID] = true
	}
	k.log.where = ""
}

// NewID implements core.IDSource: the last byte is the partition.
func (o *seatWitness) NewID() core.ID {
	k := o.k
	k.ids++
	u := random.Mix(k.idSeed + k.ids*random.Step)
	var id core.ID
	binary.BigEndian.PutUint64(id[:], u)
	binary.BigEndian.PutUint64(id[8:], random.Mix(u+random.Step))
	id[6], id[8] = 0x40|id[6]&0x0f, 0x80|id[8]&0x3f
	id[15] = byte(o.t.number)
	return id
}

// Boot implements nodes.Watch.
func (k *several) Boot(s *nodes.Seat) (*core.Core, error) {
	k.seats[s] = &seating{}
	o := &seatWitness{k, k.parts[s.Partition], s}
	cfg := coreConfig(k.r.sc, nil)
	cfg.Scaler, cfg.Journal, cfg.Specs = nil, s.Log, world.Specs{}
	var t *tape
	if !k.r.opts.Unchecked {
		t = newTape(k.witness, nil, k.r.sc.Seed)
		t.restart()
		cfg.Recorder = t
		k.seats[s].tape = t
	}
	c, err := core.New(cfg, s.Clock(), o, s, o)
	if err != nil {
		return nil, err
	}
	k.core = c // for its configuration
	if t != nil {
		t.begin(c)
	}
	return c, nil
}

// quietPoll is how often it is looked whether all is over, virtual ns.
const quietPoll = int64(50 * time.Millisecond)

// quiet says that everything has ended, as far as anybody may know.
func (k *several) quiet() bool {
	if k.loop.Now()-k.quietAsked < quietPoll {
		return false
	}
	k.quietAsked = k.loop.Now()
	return k.cluster.Quiet()
}

// patience is how long all may take to end once nothing goes wrong any more.
const patience = 15 * time.Minute

// mustEnd fails a run in which work does not end.
func (k *several) mustEnd() {
	until := k.r.sc.Duration
	for i := range k.r.sc.Faults {
		until = max(until, k.r.sc.Faults[i].At+k.r.sc.Faults[i].For)
	}
	if k.loop.Now() < int64(until+patience) {
		return
	}
	if !k.followed() {
		return
	}
	for _, t := range k.parts {
		if t == nil || t.closed {
			continue
		}
		what := "nobody serves it"
		if s := k.cluster.Owner(t.number); s != nil {
			queued, inFlight := s.Core.Unfinished()
			what = fmt.Sprintf("%s has %d queued and %d in flight", s.Node(), queued, inFlight)
		}
		k.fail("everything ends once faults stop", "partition %d: %s", t.number, what)
	}
}

// finish compares all that owners show at the end.
func (k *several) finish() {
	for _, t := range k.parts {
		if t == nil || t.closed {
			continue
		}
		if s := k.cluster.Owner(t.number); s != nil {
			t.durable.core = s.Core
			t.compareAll()
			for _, a := range t.inOrder() {
				if a.there && !a.status.Terminal() {
					k.fail("everything ends once faults stop", "execution #%d is %v by its facts", a.rec.number, a.status)
				}
			}
		}
	}
	for _, s := range k.seatsInOrder() {
		k.again(k.seats[s].tape)
	}
}

// again takes what a core has recorded last again.
func (k *several) again(t *tape) {
	if t != nil {
		t.end()
		k.steps, k.unverified = k.steps+t.steps, k.unverified+t.unverified
	}
}

// seatsInOrder are the seats that there are, in order of their claims.
func (k *several) seatsInOrder() []*nodes.Seat {
	var all []*nodes.Seat
	for s := range k.seats {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *nodes.Seat) int {
		if a.Fence < b.Fence {
			return -1
		}
		return 1
	})
	return all
}

// Note implements nodes.Watch.
func (k *several) Note(what string) { k.log.end(append(k.log.begin(k.loop.Now()), what...)) }

// Fail implements nodes.Watch.
func (k *several) Fail(invariant, format string, args ...any) { k.fail(invariant, format, args...) }
