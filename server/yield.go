package server

import "runtime"

// yielder lets other connections be served between an answer and the read of
// the next request. A read right after the answer finds nothing as a rule: the
// client has not even seen it. That costs a system call in vain, and parking
// and waking a goroutine. A busy server has other work to do first, and when
// this connection's turn comes its request is there.
//
// Where nothing is there even so, the server has time to spare and yielding
// gains nothing: then it is tried less and less often.
type yielder struct {
	skip   uint8 // reads to come that do not yield
	misses uint8 // yields in a row that gained nothing
}

// yieldPatience is how many misses in a row are taken for chance, and
// maxYieldMisses bounds the back-off after them: one yield in 8 reads.
const (
	yieldPatience  = 3
	maxYieldMisses = yieldPatience + 3
)

// yield may let others run first, and says whether it did.
func (y *yielder) yield() bool {
	if y.skip > 0 {
		y.skip--
		return false
	}
	runtime.Gosched()
	return true
}

// learn takes what a yield has gained: whether the read found something.
func (y *yielder) learn(gained bool) {
	if gained {
		y.misses = 0
		return
	}
	y.misses = min(y.misses+1, maxYieldMisses)
	y.skip = 1<<max(int(y.misses)-yieldPatience, 0) - 1
}
