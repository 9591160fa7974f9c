package nodes

import (
	"time"

	"simplane/sim/draws"
	"simplane/sim/internal/random"
)

// network carries messages between parties: the nodes, by their numbers from 0, and
// the engine. What is cut off does not arrive.
type network struct {
	c     *Cluster
	luck  random.Stream
	mean  int64 // ns
	links map[link]*damage
}

type link struct{ from, to int }

// damage is what is wrong with messages one way.
type damage struct {
	cuts   int
	losses []float64
	late   time.Duration // by which they come
}

func (n *network) at(from, to int) *damage {
	l := link{from, to}
	if n.links[l] == nil {
		n.links[l] = &damage{}
	}
	return n.links[l]
}

// delay is how long something takes that takes mean on average: mostly about that,
// and now and then much longer.
func delay(luck *random.Stream, mean int64) time.Duration {
	d := float64(mean) * (0.5 + float64(0.5*luck.Exponential()))
	if luck.Hit(0.005) {
		d = float64(d * float64(10+luck.Below(200)))
	}
	return time.Duration(draws.Nanos(min(d, float64(3*time.Second))))
}

// passes says that a message that is sent now arrives.
func (n *network) passes(from, to int) bool {
	d := n.links[link{from, to}]
	if d == nil {
		return true
	}
	if d.cuts > 0 {
		return false
	}
	for _, share := range d.losses {
		if n.luck.Hit(share) {
			return false
		}
	}
	return true
}

// send has f happen at the other party, unless the message is lost. It reports
// which, for those who find that out another way.
func (n *network) send(from, to int, f func()) bool {
	took := delay(&n.luck, n.mean)
	if !n.passes(from, to) {
		return false
	}
	if d := n.links[link{from, to}]; d != nil {
		took += d.late
	}
	n.c.loop.AfterFunc(took, f)
	return true
}

// open says that nothing is wrong between two parties, either way.
func (n *network) open(a, b int) bool {
	for _, l := range []link{{a, b}, {b, a}} {
		if d := n.links[l]; d != nil && d.cuts > 0 {
			return false
		}
	}
	return true
}
