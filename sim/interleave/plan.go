//go:build interleave

package interleave

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// Plan is what the callers of one run do.
type Plan struct {
	Seed      uint64
	Slots     int // of each function
	QueueSize int
	Retries   int
	Shards    int
	Off       bool  // the scheduler is
	Backlog   bool  // what a call leaves is served by a task of its own
	Room      int   // most executions that are stored
	Rate      int64 // of all functions, in a second; 0 = no limit
	Short     bool  // executions are soon evicted; there are no keys then
	Journal   bool  // enqueued work is durable
	Letters   int   // most dead letters of a function; -1 = none are kept
	Admits    bool  // callers that wait are admitted by an estimate
	Pause     int   // ms before the first retry; 0 = none
	Scaled    bool  // core sets the replicas, from none to two
	PerPod    bool  // slots are those of each replica
	Tasks     [][]Op
}

// Op is one call. Which fields it reads, its kind says.
type Op struct {
	Kind     string
	Function int
	Key      int // 0 = none
	Target   int // the execution that was accepted so many before the newest
	N        int
	Answer   string // of its attempts: inside the dispatch, later, twice, failing, never
}

func (o Op) String() string {
	switch o.Kind {
	case "invoke", "enqueue", "run":
		return fmt.Sprintf("%s f%d key %d, answered %s", o.Kind, o.Function, o.Key, o.Answer)
	case "complete", "cancel", "forget":
		return fmt.Sprintf("%s #-%d", o.Kind, o.Target)
	case "leave":
		return fmt.Sprintf("leave #-%d", o.Target)
	case "commit", "drain":
		return o.Kind
	case "pass":
		return fmt.Sprintf("pass %d ms", o.N)
	}
	return fmt.Sprintf("%s f%d %d", o.Kind, o.Function, o.N)
}

func (p *Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d slots, queue of %d, %d retries, %d shards, room for %d, %d a second, scheduler off %v, backlog %v, journal %v, letters %d, admission %v, pauses %d ms, scaled %v, per replica %v\n", p.Seed, p.Slots, p.QueueSize, p.Retries, p.Shards, p.Room, p.Rate, p.Off, p.Backlog, p.Journal, p.Letters, p.Admits, p.Pause, p.Scaled, p.PerPod)
	for i, ops := range p.Tasks {
		for _, o := range ops {
			fmt.Fprintf(&b, "  task %d: %v\n", i, o)
		}
	}
	return b.String()
}

// functions is how many functions a plan has.
const functions = 2

var (
	kinds = []string{"invoke", "invoke", "invoke", "enqueue", "enqueue", "run", "complete", "cancel", "forget", "sweep", "pass", "update", "drain-once", "recreate", "search"}
	says  = []string{"inside", "later", "later", "later", "twice", "failing", "never"}
)

// Draw is the plan of a seed.
func Draw(seed uint64) *Plan {
	r := rand.New(rand.NewPCG(seed, 0x706c616e))
	p := &Plan{
		Seed: seed, Slots: 1 + r.IntN(2), QueueSize: 1 + r.IntN(3), Retries: r.IntN(3), Shards: []int{1, 2, 8}[r.IntN(3)],
		Rate: []int64{0, 0, 4}[r.IntN(3)], Off: r.IntN(6) == 0, Backlog: r.IntN(3) == 0, Room: []int{3, 1000, 1000}[r.IntN(3)],
	}
	p.Short = r.IntN(4) == 0
	for range 2 + r.IntN(4) {
		var ops []Op
		for range 1 + r.IntN(4) {
			o := Op{Kind: kinds[r.IntN(len(kinds))], Function: min(r.IntN(4), 1), Target: r.IntN(3), N: 1 + r.IntN(3), Answer: says[r.IntN(len(says))]}
			if r.IntN(2) == 0 && !p.Short {
				o.Key = 1 + r.IntN(2)
			}
			if o.Kind == "pass" {
				o.N = 1 + r.IntN(30)
			}
			ops = append(ops, o)
		}
		p.Tasks = append(p.Tasks, ops)
	}
	p.Letters = -1
	if seed%3 == 0 {
		p.widen(rand.New(rand.NewPCG(seed, 0x77696465)))
	}
	if adapts(seed) {
		p.adapt(rand.New(rand.NewPCG(seed, 0x6164617074)))
	}
	return p
}

// adapts says that a seed's plan has an autoscaler or pauses: one in six.
func adapts(seed uint64) bool { return seed%6 == 1 }

// adapt gives a plan an autoscaler, pauses between attempts, or both.
func (p *Plan) adapt(r *rand.Rand) {
	p.Scaled = r.IntN(4) > 0
	p.PerPod = p.Scaled && r.IntN(2) == 0
	if !p.Scaled || r.IntN(2) == 0 {
		p.Pause, p.Retries = 1+r.IntN(8), 1+r.IntN(2)
	}
	more := []string{"pass", "cancel"}
	if p.Scaled {
		more = append(more, "replicas", "ready", "pass")
	}
	for t := range p.Tasks {
		for i := range p.Tasks[t] {
			if o := &p.Tasks[t][i]; p.Pause > 0 && r.IntN(2) == 0 {
				o.Answer = "failing"
			}
		}
		o := Op{Kind: more[r.IntN(len(more))], Function: min(r.IntN(4), 1), N: 1 + r.IntN(2)}
		if o.Kind == "pass" {
			o.N = 1 + r.IntN(30)
		}
		p.Tasks[t] = slices.Insert(p.Tasks[t], r.IntN(len(p.Tasks[t])+1), o)
	}
	switch {
	case p.Pause > 0 && r.IntN(2) == 0:
		p.pauseEndsMeanwhile()
	case p.Scaled && r.IntN(2) == 0:
		p.wakesFromZero()
	}
}

// pauseEndsMeanwhile has an execution cancelled while another one fails and begins its pause.
func (p *Plan) pauseEndsMeanwhile() {
	p.Off, p.Short, p.Scaled, p.PerPod, p.Room, p.Rate = false, false, false, false, 1000, 0
	failing := Op{Kind: "enqueue", Answer: "failing"}
	p.Tasks = [][]Op{{failing, {Kind: "cancel"}}, {failing}}
}

// wakesFromZero has two first calls of a function without replicas, and one more when it may
// have lost those again, which is never answered.
func (p *Plan) wakesFromZero() {
	p.Room, p.Off = 1000, false
	for t := range 2 {
		p.Tasks[t] = []Op{{Kind: "enqueue", Answer: "inside"}, {Kind: "pass", N: 30}, {Kind: "enqueue", Answer: "never"}}
	}
}

// widen gives a plan a journal or dead letters, admission, and callers that leave. One plan in
// three is so, that the others stay what their seeds stand for.
func (p *Plan) widen(r *rand.Rand) {
	more := []string{"leave", "redrive", "redrive", "purge", "leave"}
	p.Letters, p.Admits = 1+r.IntN(3), r.IntN(3) == 0
	if p.Journal = r.IntN(3) > 0; p.Journal {
		more = append(more, "commit", "commit", "commit", "commit")
	} else if r.IntN(4) == 0 {
		more = append(more, "drain") // with a journal it leaves work to a next process
	}
	for t := range p.Tasks {
		for range 1 + r.IntN(2) {
			o := Op{Kind: more[r.IntN(len(more))], Function: min(r.IntN(4), 1), Target: r.IntN(3)}
			at := r.IntN(len(p.Tasks[t]) + 1)
			p.Tasks[t] = slices.Insert(p.Tasks[t], at, o)
		}
	}
	switch r.IntN(3) {
	case 0:
		p.twoRedrive()
	case 1:
		p.oneLeaves()
	}
}

// twoRedrive has two callers meet at one dead letter.
func (p *Plan) twoRedrive() {
	p.Retries = 0
	p.Tasks[0] = append([]Op{{Kind: "enqueue", Answer: "failing"}}, p.Tasks[0]...)
	for t := range 2 {
		p.Tasks[t] = append(p.Tasks[t], Op{Kind: "redrive"})
	}
}

// oneLeaves has a caller leave while its call is queued, and another one join that.
func (p *Plan) oneLeaves() {
	p.Slots, p.Short, p.Admits = 1, false, false
	p.Tasks[0] = append([]Op{{Kind: "enqueue", Answer: "later"}, {Kind: "invoke", Key: 3, Answer: "later"}, {Kind: "leave"}}, p.Tasks[0]...)
	p.Tasks[1] = append([]Op{{Kind: "invoke", Key: 3, Answer: "later"}}, p.Tasks[1]...)
}
