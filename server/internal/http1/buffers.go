package http1

import (
	"math/bits"
	"sync"
)

// buffers are byte slices for bodies, pooled by capacity: powers of two from
// smallBuffer.
var buffers [32]sync.Pool

// smallBuffer is the least capacity of a pooled buffer, in bytes.
const smallBuffer = 4 << 10

// class is the index of the least capacity that holds n bytes, and that
// capacity.
func class(n int) (i, capacity int) {
	i = bits.Len(uint((n - 1) / smallBuffer))
	return i, smallBuffer << i
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
