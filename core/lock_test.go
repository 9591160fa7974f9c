//go:build !interleave

package core

import (
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
)

// TestLocksCostNothing: without the build tag interleave, what core locks with and
// counts with are the types of sync and sync/atomic themselves.
func TestLocksCostNothing(t *testing.T) {
	for _, pair := range [][2]reflect.Type{
		{reflect.TypeFor[mutex](), reflect.TypeFor[sync.Mutex]()},
		{reflect.TypeFor[atomicBool](), reflect.TypeFor[atomic.Bool]()},
		{reflect.TypeFor[atomicInt32](), reflect.TypeFor[atomic.Int32]()},
		{reflect.TypeFor[atomicInt64](), reflect.TypeFor[atomic.Int64]()},
		{reflect.TypeFor[atomicUint32](), reflect.TypeFor[atomic.Uint32]()},
		{reflect.TypeFor[atomicUint64](), reflect.TypeFor[atomic.Uint64]()},
		{reflect.TypeFor[atomicPointer[int]](), reflect.TypeFor[atomic.Pointer[int]]()},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%v is not %v", pair[0], pair[1])
		}
	}
}
