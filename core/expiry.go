package core

// calendar lists records by the time at which they are next due. An entry is
// added and popped, never moved or removed: that would touch memory long out
// of the caches, once for every record that ends. Instead a sweep checks the
// record of each popped entry for what is due now, if anything. An entry may
// be early or out of date, as long as one comes in time. The owning shard's
// lock guards it.
type calendar[T any] struct {
	width   int64
	buckets map[int64]*calendarBucket[T]
	keys    []int64            // min-heap of the keys in buckets
	last    *calendarBucket[T] // the one added to last; may be nil
	spare   *calendarBucket[T]
}

// calendarBucket lists what falls due within one width of time.
type calendarBucket[T any] struct {
	key     int64 // due / width
	first   int64 // the earliest due
	entries []appointment[T]
}

type appointment[T any] struct {
	due  int64
	item *T
}

func newCalendar[T any](width int64) *calendar[T] {
	return &calendar[T]{width: width, buckets: make(map[int64]*calendarBucket[T])}
}

// add has item popped once the clock reads later than due.
func (c *calendar[T]) add(item *T, due int64) {
	key := due / c.width
	b := c.last
	if b == nil || b.key != key {
		b = c.bucket(key)
		c.last = b
	}
	if len(b.entries) == 0 || due < b.first {
		b.first = due
	}
	b.entries = append(b.entries, appointment[T]{due, item})
}

func (c *calendar[T]) bucket(key int64) *calendarBucket[T] {
	b := c.buckets[key]
	if b == nil {
		if b = c.spare; b != nil {
			c.spare = nil
		} else {
			b = &calendarBucket[T]{}
		}
		b.key = key
		c.buckets[key] = b
		c.pushKey(key)
	}
	return b
}

// pop takes out the entries of the first bucket that are due strictly before
// now and appends them to out. It reports whether the next bucket may have due
// ones as well.
func (c *calendar[T]) pop(now int64, out []appointment[T]) (_ []appointment[T], more bool) {
	if len(c.keys) == 0 || c.keys[0] > now/c.width {
		return out, false
	}
	b := c.buckets[c.keys[0]]
	more = b.key < now/c.width
	switch {
	case more: // all of it is due
		out = append(out, b.entries...)
		clear(b.entries)
		b.entries = b.entries[:0]
	case b.first < now:
		out = b.split(now, out)
	}
	if len(b.entries) == 0 {
		delete(c.buckets, b.key)
		c.popKey()
		c.last, c.spare = nil, b
	}
	return out, more
}

// split moves the due entries to out and keeps the others in their order.
func (b *calendarBucket[T]) split(now int64, out []appointment[T]) []appointment[T] {
	kept := b.entries[:0]
	for _, e := range b.entries {
		if e.due < now {
			out = append(out, e)
			continue
		}
		if len(kept) == 0 || e.due < b.first {
			b.first = e.due
		}
		kept = append(kept, e)
	}
	clear(b.entries[len(kept):])
	b.entries = kept
	return out
}

// pushKey and popKey keep keys a min-heap. There are few keys (horizon /
// width), so plain sifting is enough.
func (c *calendar[T]) pushKey(key int64) {
	c.keys = append(c.keys, key)
	k := c.keys
	for i := len(k) - 1; i > 0; {
		parent := (i - 1) / 2
		if k[parent] <= k[i] {
			break
		}
		k[parent], k[i] = k[i], k[parent]
		i = parent
	}
}

func (c *calendar[T]) popKey() {
	last := len(c.keys) - 1
	c.keys[0] = c.keys[last]
	c.keys = c.keys[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			return
		}
		if child+1 < last && c.keys[child+1] < c.keys[child] {
			child++
		}
		if c.keys[i] <= c.keys[child] {
			return
		}
		c.keys[i], c.keys[child] = c.keys[child], c.keys[i]
		i = child
	}
}
