package replica

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"simplane/core"
	"simplane/core/cluster"
)

// Instance serves one partition on this node, from Options.Open until it is shut.
type Instance interface {
	// Apply takes the next fact of the partition, at its place, and Done ends them:
	// from then on facts go to the journal, and what waits for them is told by
	// Advanced, one call at a time.
	Apply(core.LSN, *core.Fact) error
	Done() error
	Advanced(core.LSN)
	// Hold takes no new work and starts none: the partition is to be given up.
	Hold()
	// Given says that the partition is the next owner's: calls that run may end.
	Given()
	// Shut ends it at once: no answer leaves any more. It must return at once, too.
	Shut(why error)
}

// Options are what a Node needs.
type Options struct {
	Engine Engine
	Self   cluster.Member
	Timing cluster.Timing
	Log    *slog.Logger
	// Open makes the instance of a partition. facts is its journal; stored waits
	// until a fact is durable. before is the ownership record that the claim has
	// replaced, zero without one: where that says that the partition was freed, its
	// last owner may still tell of calls that run there.
	Open func(facts *cluster.Log, before cluster.Ownership, stored func(core.LSN) error) (Instance, error)
	// Granted is what the ownership record says of grants when the partition is freed.
	Granted func(core.Partition) uint64
	// Announced is told of what the owner of a partition has announced to all.
	Announced func(key string, value []byte)
	// Gone is told of each member whose process is taken to have ended.
	Gone func(cluster.Member)
	// Stop is called when this process must end: another one has its name.
	Stop func(error)
	// JournalTimeout is how long stored waits.
	JournalTimeout time.Duration
	// MaxBytes is how much the engine may keep before new durable work is refused; 0 =
	// three quarters of what it can.
	MaxBytes int64
}

// Node is this process as a member of the cluster.
type Node struct {
	o       Options
	machine *cluster.Machine // the loop's, as
	shutNow map[string]int   // partitions lost, by why, of which the log has not told
	writer  *cluster.Writer
	began   time.Time
	counts  counts
	news    news
	room    room
	roomMu  sync.Mutex
	full    bool // as the journals were told; guarded by roomMu

	mu       sync.Mutex
	posted   []func(now time.Duration)
	wake     chan struct{} // of capacity 1, as commits
	commits  chan struct{}
	ctx      context.Context
	stop     context.CancelFunc
	workers  sync.WaitGroup
	opening  chan struct{} // places
	resigned chan struct{}

	opens  map[core.Partition]opens // the loop's: claims that are being opened
	parts  [cluster.Partitions]atomic.Pointer[held]
	heldMu sync.Mutex
	byLog  map[*cluster.Log]*held // all that are not shut

	until    atomic.Int64 // elapsed ns at which the lease ends
	settled  atomic.Bool  // all that this node should serve was open, once
	caughtUp atomic.Bool
	view     atomic.Pointer[View]
}

// held is an instance and its journal.
type held struct {
	inst     Instance
	log      *cluster.Log
	advanced chan struct{} // of capacity 1
	ended    chan struct{} // closed when it is shut
	once     sync.Once
}

// opens is the opening of a partition that was claimed at fence. It is called off by
// cancel when the claim does not hold any more.
type opens struct {
	fence  cluster.Fence
	cancel context.CancelFunc
}

// openings bounds how many partitions are read at once.
const openings = 4

// New makes a Node. The engine is closed by Close.
func New(o Options) *Node {
	n := &Node{
		o: o, began: time.Now(), counts: newCounts(), wake: make(chan struct{}, 1), commits: make(chan struct{}, 1),
		news:    news{next: map[string]announcement{}, wake: make(chan struct{}, 1)},
		opening: make(chan struct{}, openings), resigned: make(chan struct{}), byLog: map[*cluster.Log]*held{}, opens: map[core.Partition]opens{}, shutNow: map[string]int{},
	}
	n.ctx, n.stop = context.WithCancel(context.Background())
	n.writer = cluster.NewWriter(o.Self.Life, o.Engine.MaxFrame(), func() { signal(n.commits) })
	n.machine = cluster.NewMachine(o.Self, o.Timing, n.now())
	n.view.Store(&View{changed: make(chan struct{})})
	return n
}

// Start makes this process a member.
func (n *Node) Start() {
	n.workers.Go(n.run)
	n.workers.Go(n.commitAll)
	n.workers.Go(n.announceAll)
	n.workers.Go(n.tend)
	n.workers.Go(n.watchRoom)
}

// now is this process's elapsed time.
func (n *Node) now() time.Duration { return time.Since(n.began) }

// Close ends this process's part without giving anything up first: what it owns is
// taken over when its lease has ended. After Leave nothing is left.
func (n *Node) Close() error {
	n.stop()
	n.workers.Wait()
	for _, h := range n.all() {
		n.shut(h, cluster.ErrLease)
	}
	return n.o.Engine.Close()
}

// Leave gives all partitions up, and returns when others can have them and this
// process is no member any more, or when ctx ends. Cut off from the engine it has
// nothing to give once its lease has ended.
func (n *Node) Leave(ctx context.Context) error {
	n.stepDown(ctx)
	n.post(func(now time.Duration) { n.machine.Leave(now) })
	look := time.NewTicker(n.o.Timing.Tick)
	defer look.Stop()
	for {
		select {
		case <-n.resigned:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
			if int64(n.now()) > n.until.Load() && len(n.all()) == 0 {
				n.o.Log.Warn("this node leaves without having told the others, from which it is cut off: they take over what it owned when they are back")
				return nil
			}
		}
	}
}

// stepDownTime bounds the time until others lead the engine.
const stepDownTime = 2 * time.Second

// stepDown has others lead the engine before anything is handed over, which would wait
// for that otherwise.
func (n *Node) stepDown(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stepDownTime)
	defer cancel()
	if err := n.o.Engine.StepDown(ctx); err != nil {
		n.o.Log.Debug("the engine may be led by this node still as it leaves", "error", err)
	}
}

// post has the loop do f.
func (n *Node) post(f func(now time.Duration)) {
	n.mu.Lock()
	n.posted = append(n.posted, f)
	n.mu.Unlock()
	signal(n.wake)
}

// run drives the machine.
func (n *Node) run() {
	unwatch := n.o.Engine.Watch(n.told)
	defer unwatch()
	tick := time.NewTicker(n.o.Timing.Tick)
	defer tick.Stop()
	for {
		n.mu.Lock()
		todo := n.posted
		n.posted = nil
		n.mu.Unlock()
		for _, f := range todo {
			f(n.now())
		}
		now := n.now()
		n.machine.Tick(now)
		for actions := n.machine.Actions(); len(actions) > 0; actions = n.machine.Actions() {
			for i := range actions {
				n.carryOut(&actions[i])
			}
		}
		n.tellShut()
		n.publish(now)
		select {
		case <-n.ctx.Done():
			return
		case <-tick.C:
		case <-n.wake:
		}
	}
}

// told passes on what the watch tells.
func (n *Node) told(e Event) {
	switch {
	case e.Member != nil:
		m := *e.Member
		n.post(func(now time.Duration) { n.machine.MemberSeen(m, now) })
	case e.Gone != nil:
		m := *e.Gone
		n.post(func(now time.Duration) { n.machine.MemberGone(m, now) })
	case e.Owner != nil:
		p, o := e.Partition, *e.Owner
		n.post(func(now time.Duration) { n.machine.OwnerIs(p, o, now) })
	case e.Key != "":
		n.o.Announced(e.Key, e.Value)
	case e.CaughtUp, e.Lost:
		n.caughtUp.Store(e.CaughtUp)
		n.post(func(now time.Duration) { n.machine.CaughtUp(e.CaughtUp, now) })
	}
}

// callTime bounds a call of the engine, after which it is made again.
const callTime = 2 * time.Second

// call calls the engine beside the loop.
func (n *Node) call(f func(ctx context.Context)) {
	n.workers.Go(func() {
		ctx, cancel := context.WithTimeout(n.ctx, callTime)
		defer cancel()
		f(ctx)
	})
}

// insist repeats a call until it succeeds or this node is closed.
func (n *Node) insist(f func(ctx context.Context) error) {
	for n.ctx.Err() == nil {
		ctx, cancel := context.WithTimeout(n.ctx, callTime)
		err := f(ctx)
		cancel()
		if err == nil {
			return
		}
		n.o.Log.Debug("the cluster's engine is asked again", "error", err)
		n.pause(n.o.Timing.Again)
	}
}

func (n *Node) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-n.ctx.Done():
	}
}

// carryOut begins what the machine asks for. Its answer is posted.
func (n *Node) carryOut(a *cluster.Action) {
	p, e := a.Partition, n.o.Engine
	action := *a
	switch a.Kind {
	case cluster.ActRenew:
		n.call(func(ctx context.Context) {
			sent := n.now()
			err := e.Renew(ctx, action.Member)
			n.post(func(now time.Duration) { n.machine.Renewed(sent, now, err) })
		})
	case cluster.ActClaim:
		n.call(func(ctx context.Context) {
			at, err := e.Claim(ctx, p, action.Record, action.Fence)
			n.post(func(now time.Duration) { n.machine.Claimed(p, at, err, now) })
		})
	case cluster.ActOpen:
		ctx, cancel := context.WithCancel(n.ctx)
		n.opens[p] = opens{a.Fence, cancel}
		n.workers.Go(func() { n.open(ctx, &action) })
	case cluster.ActHold:
		n.hold(&action)
	case cluster.ActFree:
		action.Record.Granted = n.o.Granted(p)
		n.call(func(ctx context.Context) {
			at, err := e.Free(ctx, p, action.Record, action.Fence)
			n.post(func(now time.Duration) { n.machine.Freed(p, action.Fence, at, err, now) })
		})
	case cluster.ActGiven:
		n.given(&action)
	case cluster.ActShut:
		n.lose(&action)
	case cluster.ActResign:
		n.workers.Go(func() {
			n.insist(e.Resign)
			n.post(func(time.Duration) {
				n.machine.Resigned()
				close(n.resigned)
			})
		})
	case cluster.ActStop:
		n.o.Stop(cluster.ErrReplaced)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // there is one
	}
}
