// Package yielding lets other goroutines run between writing to a connection
// and reading from it.
package yielding

import "runtime"

// Yielder serves one connection. A read right after a write finds nothing as a
// rule: the other end has not even seen what was written. That costs a system
// call in vain, and parking and waking a goroutine. A busy server has other
// work to do first, and when this connection's turn comes the bytes are there.
//
// Where nothing is there even so, the server has time to spare and yielding
// gains nothing: then it is tried less and less often.
//
// The zero value is ready; it is for one goroutine at a time.
type Yielder struct {
	skip   uint8 // reads to come that do not yield
	misses uint8 // yields in a row that gained nothing
}

// patience is how many misses in a row are taken for chance, and
// maxMisses bounds the back-off after them: one yield in 8 reads.
const (
	patience  = 3
	maxMisses = patience + 3
)

// Yield may let others run first, and says whether it did.
func (y *Yielder) Yield() bool {
	if y.skip > 0 {
		y.skip--
		return false
	}
	runtime.Gosched()
	return true
}

// Learn takes what a yield has gained: whether the read found something.
func (y *Yielder) Learn(gained bool) {
	if gained {
		y.misses = 0
		return
	}
	y.misses = min(y.misses+1, maxMisses)
	y.skip = 1<<max(int(y.misses)-patience, 0) - 1
}
