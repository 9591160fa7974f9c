//go:build interleave

package interleave

import (
	"fmt"
	"math/rand/v2"
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
	case "pass":
		return fmt.Sprintf("pass %d ms", o.N)
	}
	return fmt.Sprintf("%s f%d %d", o.Kind, o.Function, o.N)
}

func (p *Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d slots, queue of %d, %d retries, %d shards, room for %d, %d a second, scheduler off %v, backlog %v\n", p.Seed, p.Slots, p.QueueSize, p.Retries, p.Shards, p.Room, p.Rate, p.Off, p.Backlog)
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
	return p
}
