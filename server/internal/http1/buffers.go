package http1

import (
	"math/bits"
	"sync"
)

// buffers are byte slices for bodies, pooled by capacity: smallBuffer, and from
// there on eight capacities in each doubling, so that at most a ninth of a
// buffer is more than was asked for.
var buffers [(32-smallBits)*steps + 1]sync.Pool

const (
	// smallBuffer is the least capacity of a pooled buffer, in bytes.
	smallBuffer = 1 << smallBits
	smallBits   = 12
	// steps are the capacities in each doubling.
	steps = 8
)

// class is the index of the least capacity that holds n bytes, and that
// capacity.
func class(n int) (i, capacity int) {
	if n <= smallBuffer {
		return 0, smallBuffer
	}
	double := bits.Len(uint(n-1)) - 1 // n is above 1<<double, and at most twice that
	step := 1 << double / steps
	k := (n - 1<<double + step - 1) / step
	return (double-smallBits)*steps + k, 1<<double + k*step
}

// getBuffer returns a slice of at least n bytes, all of its capacity.
func getBuffer(n int) *[]byte {
	i, capacity := class(n)
	if b, ok := buffers[i].Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, capacity)
	return &b
}

// putBuffer takes back what getBuffer returned.
func putBuffer(b *[]byte) {
	i, _ := class(len(*b))
	buffers[i].Put(b)
}
