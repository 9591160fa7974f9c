package sim

// ageList is a list ordered by age: members are added at the young end, and the
// oldest is found in O(1). A jump of the wall clock breaks the order, so it
// begins a new segment; within one, members are in order of age.
type ageList struct {
	segments []ageSegment
	first    int // number of segments[0]
	links    []ageLink
}

type ageSegment struct{ head, tail int32 }

type ageLink struct {
	prev, next int32
	segment    int32 // number; only meaningful for members
	member     bool
}

func newAgeList() ageList { return ageList{segments: []ageSegment{{-1, -1}}} }

// cut begins a new segment.
func (l *ageList) cut() {
	l.segments = append(l.segments, ageSegment{-1, -1})
	l.trim()
}

// trim removes empty segments at the old end.
func (l *ageList) trim() {
	for len(l.segments) > 1 && l.segments[0].head < 0 {
		l.segments = l.segments[1:]
		l.first++
	}
}

func (l *ageList) push(i int32) {
	for int(i) >= len(l.links) {
		l.links = append(l.links, ageLink{})
	}
	s := &l.segments[len(l.segments)-1]
	l.links[i] = ageLink{prev: s.tail, next: -1, segment: int32(l.first + len(l.segments) - 1), member: true}
	if s.tail >= 0 {
		l.links[s.tail].next = i
	} else {
		s.head = i
	}
	s.tail = i
}

// has reports membership.
func (l *ageList) has(i int32) bool { return int(i) < len(l.links) && l.links[i].member }

// remove takes a member out; no-op for others.
func (l *ageList) remove(i int32) {
	if !l.has(i) {
		return
	}
	k := l.links[i]
	s := &l.segments[int(k.segment)-l.first]
	if k.prev >= 0 {
		l.links[k.prev].next = k.next
	} else {
		s.head = k.next
	}
	if k.next >= 0 {
		l.links[k.next].prev = k.prev
	} else {
		s.tail = k.prev
	}
	l.links[i].member = false
	l.trim()
}
