package core

// expiryLinks makes a record a member of an expiryQueue: it holds the record's
// neighbours in its bucket, so that moving or removing it costs no search.
type expiryLinks[T any] struct {
	prev, next *T
	bucket     *expiryBucket[T]
	due        int64
}

// expirable is a pointer to a record that carries expiryLinks.
type expirable[T any] interface {
	*T
	expiry() *expiryLinks[T]
}

// expiryBucket lists the records that fall due within one width of time.
type expiryBucket[T any] struct {
	key         int64 // due / width, rounded down
	first, last *T
}

// expiryQueue is a calendar of records by due time: constant-time add, move
// and remove, whatever order the due times come in (a clock that jumps makes
// them come out of order). A sweep looks at due buckets only. The lock of the
// shard that owns it guards it.
type expiryQueue[T any, P expirable[T]] struct {
	width   int64
	buckets map[int64]*expiryBucket[T]
	keys    []int64 // min-heap of the keys in buckets
	spare   *expiryBucket[T]
}

func newExpiryQueue[T any, P expirable[T]](width int64) *expiryQueue[T, P] {
	return &expiryQueue[T, P]{width: width, buckets: make(map[int64]*expiryBucket[T])}
}

// set adds p, or moves it, to fall due once the clock reads later than due.
func (q *expiryQueue[T, P]) set(p P, due int64) {
	q.drop(p)
	key := due / q.width
	b := q.buckets[key]
	if b == nil {
		if b = q.spare; b != nil {
			q.spare = nil
		} else {
			b = &expiryBucket[T]{}
		}
		b.key = key
		q.buckets[key] = b
		q.pushKey(key)
	}
	l := p.expiry()
	l.due, l.bucket, l.prev, l.next = due, b, b.last, nil
	if b.last == nil {
		b.first = p
	} else {
		P(b.last).expiry().next = p
	}
	b.last = p
}

// drop takes p out; no-op when it is not in the queue. An emptied bucket stays
// until a sweep passes it.
func (q *expiryQueue[T, P]) drop(p P) {
	l := p.expiry()
	b := l.bucket
	if b == nil {
		return
	}
	if l.prev == nil {
		b.first = l.next
	} else {
		P(l.prev).expiry().next = l.next
	}
	if l.next == nil {
		b.last = l.prev
	} else {
		P(l.next).expiry().prev = l.prev
	}
	l.prev, l.next, l.bucket = nil, nil, nil
}

// popDue takes out up to limit records whose due time is strictly before now
// and appends them to out.
func (q *expiryQueue[T, P]) popDue(now int64, limit int, out []P) []P {
	for len(q.keys) > 0 && limit > 0 {
		key := q.keys[0]
		if key > now/q.width {
			break
		}
		b := q.buckets[key]
		for p := b.first; p != nil && limit > 0; {
			l := P(p).expiry()
			next := l.next
			if l.due < now {
				q.drop(p)
				out = append(out, p)
				limit--
			}
			p = next
		}
		if b.first != nil {
			break // the running bucket: the rest is not due yet
		}
		delete(q.buckets, key)
		q.popKey()
		q.spare = b
	}
	return out
}

// pushKey and popKey keep keys a min-heap. There are few keys (horizon /
// width), so plain sifting is enough.
func (q *expiryQueue[T, P]) pushKey(key int64) {
	q.keys = append(q.keys, key)
	k := q.keys
	for i := len(k) - 1; i > 0; {
		parent := (i - 1) / 2
		if k[parent] <= k[i] {
			break
		}
		k[parent], k[i] = k[i], k[parent]
		i = parent
	}
}

func (q *expiryQueue[T, P]) popKey() {
	last := len(q.keys) - 1
	q.keys[0] = q.keys[last]
	q.keys = q.keys[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			return
		}
		if child+1 < last && q.keys[child+1] < q.keys[child] {
			child++
		}
		if q.keys[i] <= q.keys[child] {
			return
		}
		q.keys[i], q.keys[child] = q.keys[child], q.keys[i]
		i = child
	}
}
