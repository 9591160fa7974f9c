//go:build interleave

package concurrent

import (
	"sync"
	"sync/atomic"
)

// Mutex is a sync.Mutex whose operations are points of the Scheduler.
type Mutex struct {
	real sync.Mutex // outside of a Scheduler's run
	held bool       // inside of one, where one task runs at a time
}

// Lock waits until nobody holds m, and takes it.
func (m *Mutex) Lock() {
	s := active
	if s == nil {
		m.real.Lock()
		return
	}
	s.point()
	s.until("a lock", func() bool { return !m.held })
	m.held = true
}

// TryLock takes m if nobody holds it.
func (m *Mutex) TryLock() bool {
	s := active
	if s == nil {
		return m.real.TryLock()
	}
	s.point()
	if m.held {
		return false
	}
	m.held = true
	return true
}

// Unlock gives m back. What comes between it and the next operation is after a point.
func (m *Mutex) Unlock() {
	s := active
	if s == nil {
		m.real.Unlock()
		return
	}
	if !m.held && !s.stopping {
		panic("concurrent: unlock of a mutex that nobody holds")
	}
	m.held = false
	s.point()
}

// point is a point of the Scheduler that runs, if one does.
func point() {
	if s := active; s != nil {
		s.point()
	}
}

// Bool is an atomic.Bool whose operations are points of the Scheduler.
type Bool struct{ real atomic.Bool }

func (b *Bool) Load() bool         { point(); return b.real.Load() }
func (b *Bool) Store(v bool)       { point(); b.real.Store(v) }
func (b *Bool) Swap(new bool) bool { point(); return b.real.Swap(new) }
func (b *Bool) CompareAndSwap(old, new bool) bool {
	point()
	return b.real.CompareAndSwap(old, new)
}

// Int32 is an atomic.Int32, likewise.
type Int32 struct{ real atomic.Int32 }

func (i *Int32) Load() int32           { point(); return i.real.Load() }
func (i *Int32) Store(v int32)         { point(); i.real.Store(v) }
func (i *Int32) Add(delta int32) int32 { point(); return i.real.Add(delta) }
func (i *Int32) Swap(new int32) int32  { point(); return i.real.Swap(new) }
func (i *Int32) CompareAndSwap(old, new int32) bool {
	point()
	return i.real.CompareAndSwap(old, new)
}

// Int64 is an atomic.Int64, likewise.
type Int64 struct{ real atomic.Int64 }

func (i *Int64) Load() int64           { point(); return i.real.Load() }
func (i *Int64) Store(v int64)         { point(); i.real.Store(v) }
func (i *Int64) Add(delta int64) int64 { point(); return i.real.Add(delta) }
func (i *Int64) Swap(new int64) int64  { point(); return i.real.Swap(new) }
func (i *Int64) CompareAndSwap(old, new int64) bool {
	point()
	return i.real.CompareAndSwap(old, new)
}

// Uint32 is an atomic.Uint32, likewise.
type Uint32 struct{ real atomic.Uint32 }

func (u *Uint32) Load() uint32            { point(); return u.real.Load() }
func (u *Uint32) Store(v uint32)          { point(); u.real.Store(v) }
func (u *Uint32) Add(delta uint32) uint32 { point(); return u.real.Add(delta) }
func (u *Uint32) Swap(new uint32) uint32  { point(); return u.real.Swap(new) }
func (u *Uint32) CompareAndSwap(old, new uint32) bool {
	point()
	return u.real.CompareAndSwap(old, new)
}

// Uint64 is an atomic.Uint64, likewise.
type Uint64 struct{ real atomic.Uint64 }

func (u *Uint64) Load() uint64            { point(); return u.real.Load() }
func (u *Uint64) Store(v uint64)          { point(); u.real.Store(v) }
func (u *Uint64) Add(delta uint64) uint64 { point(); return u.real.Add(delta) }
func (u *Uint64) Swap(new uint64) uint64  { point(); return u.real.Swap(new) }
func (u *Uint64) CompareAndSwap(old, new uint64) bool {
	point()
	return u.real.CompareAndSwap(old, new)
}

// Pointer is an atomic.Pointer, likewise.
type Pointer[T any] struct{ real atomic.Pointer[T] }

func (p *Pointer[T]) Load() *T       { point(); return p.real.Load() }
func (p *Pointer[T]) Store(v *T)     { point(); p.real.Store(v) }
func (p *Pointer[T]) Swap(new *T) *T { point(); return p.real.Swap(new) }
func (p *Pointer[T]) CompareAndSwap(old, new *T) bool {
	point()
	return p.real.CompareAndSwap(old, new)
}
