package core

import (
	"maps"
	"slices"
	"strings"
)

const registryShards = 64

// registry finds functions by name. Look-ups are lock-free: each shard is an
// immutable map that a change replaces whole, and shards keep that copy small.
type registry struct {
	mu       mutex // serializes changes
	count    int   // those reserved included
	max      int
	reserved map[string]*Function // their names are taken, and get does not find them
	shards   [registryShards]atomicPointer[map[string]*Function]
	sorted   atomicPointer[[]*Function] // by name, made when it is asked for; nil after a change
}

func (r *registry) shard(name string) *atomicPointer[map[string]*Function] {
	return &r.shards[hashString(hashSeed, name)%registryShards]
}

func (r *registry) get(name string) *Function {
	if m := r.shard(name).Load(); m != nil {
		return (*m)[name]
	}
	return nil
}

// reserve takes the name for what make returns, unless that is an error; make is
// not called when the name is taken or the registry full.
func (r *registry) reserve(name string, make func() (*Function, error)) (*Function, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.get(name) != nil || r.reserved[name] != nil {
		return nil, ErrExists
	}
	if r.count >= r.max {
		return nil, ErrFunctionLimit
	}
	fn, err := make()
	if err != nil {
		return nil, err
	}
	if r.reserved == nil {
		r.reserved = map[string]*Function{}
	}
	r.reserved[name] = fn
	r.count++
	return fn, nil
}

// publish registers what is reserved.
func (r *registry) publish(fn *Function) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.reserved, fn.name)
	r.replace(fn.name, func(m map[string]*Function) { m[fn.name] = fn })
}

// discard gives a reserved name back.
func (r *registry) discard(fn *Function) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.reserved, fn.name)
	r.count--
}

// restore registers a function of an earlier process, whatever the bound; false
// when the name is taken.
func (r *registry) restore(fn *Function) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.get(fn.name) != nil {
		return false
	}
	r.replace(fn.name, func(m map[string]*Function) { m[fn.name] = fn })
	r.count++
	return true
}

// remove removes a name that is registered.
func (r *registry) remove(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.replace(name, func(m map[string]*Function) { delete(m, name) })
	r.count--
}

func (r *registry) replace(name string, change func(map[string]*Function)) {
	p := r.shard(name)
	next := map[string]*Function{}
	if old := p.Load(); old != nil {
		next = maps.Clone(*old)
	}
	change(next)
	p.Store(&next)
	r.sorted.Store(nil)
}

// list returns all functions sorted by name. It must not be changed.
func (r *registry) list() []*Function {
	if all := r.sorted.Load(); all != nil {
		return *all
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]*Function, 0, r.count)
	for i := range r.shards {
		if m := r.shards[i].Load(); m != nil {
			all = slices.AppendSeq(all, maps.Values(*m))
		}
	}
	slices.SortFunc(all, func(a, b *Function) int { return strings.Compare(a.name, b.name) })
	all = slices.Clip(all)
	r.sorted.Store(&all)
	return all
}
