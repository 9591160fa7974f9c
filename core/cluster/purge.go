package cluster

import "simplane/core"

// Purge is a request to remove the frames of a partition before a place.
type Purge struct {
	Partition core.Partition
	Before    uint64
}

// Purges are the requests that are due for these journals. They may be carried out
// at any time, more than once and not at all: the next ones cover them.
func (w *Writer) Purges(of []*Log) (due []Purge) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range of {
		if p, ok := l.purge(); ok {
			due = append(due, p)
		}
	}
	return due
}

func (l *Log) purge() (p Purge, due bool) {
	if l.gone.Load() {
		return p, false
	}
	n, bytes := 0, 0
	for n < len(l.frames) && l.frames[n].seq < l.base && l.frames[n].seq != 0 {
		bytes += l.frames[n].size
		n++
	}
	if bytes < l.w.pace.purge || n == len(l.frames) || l.frames[n].place == 0 {
		return p, false
	}
	p = Purge{l.partition, l.frames[n].place}
	clear(l.frames[:n])
	l.frames = l.frames[n:]
	l.spent -= n
	l.bytes -= bytes
	l.spentBytes -= bytes
	l.saidBytes -= bytes
	return p, true
}
