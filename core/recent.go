package core

import "slices"

// recentPerFunction is how many of a function's newest executions can be
// listed.
const recentPerFunction = 256

// recent remembers the ids of a function's newest executions: 4 KiB once the
// function has been used. The function's lock guards it.
type recent struct {
	ids *[recentPerFunction]ID
	n   uint64
}

func (r *recent) add(id ID) {
	if r.ids == nil {
		r.ids = new([recentPerFunction]ID)
	}
	r.ids[r.n%recentPerFunction] = id
	r.n++
}

// newest returns the ids, newest first.
func (r *recent) newest() []ID {
	var ids []ID
	for i := r.n; i > 0 && r.n-i < recentPerFunction; i-- {
		ids = append(ids, r.ids[(i-1)%recentPerFunction])
	}
	return ids
}

// Recent lists the newest executions of a function, or of all functions when
// name is empty, newest first: those for which keep is true, at most limit of
// them. It looks at the last 256 of each function; truncated says that older
// ones were not looked at, or more matched than limit. The error is
// ErrNotFound.
func (c *Core) Recent(name string, limit int, keep func(*Snapshot) bool) (found []Snapshot, truncated bool, err error) {
	fns := c.registry.list()
	if name != "" {
		fn := c.registry.get(name)
		if fn == nil {
			return nil, false, ErrNotFound
		}
		fns = []*Function{fn}
	}
	for _, fn := range fns {
		fn.mu.Lock()
		ids := fn.recent.newest()
		truncated = truncated || fn.recent.n > recentPerFunction
		fn.mu.Unlock()
		for _, id := range ids {
			if s, ok := c.Execution(id); ok && keep(&s) {
				found = append(found, s)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b Snapshot) int { return int(b.CreatedAtMillis - a.CreatedAtMillis) })
	if len(found) > limit {
		found, truncated = found[:limit], true
	}
	return found, truncated, nil
}
