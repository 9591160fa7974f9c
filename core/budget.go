package core

// Budget is what several Cores of one process hold together, where
// Config.MaxExecutions and Config.MaxPayloadBytes bound that and not each Core by
// itself. The zero value is an empty one.
type Budget struct {
	count, bytes atomicInt64
}

// Executions and PayloadBytes are what the Cores hold.
func (b *Budget) Executions() int64   { return b.count.Load() }
func (b *Budget) PayloadBytes() int64 { return b.bytes.Load() }

// usage is what one store holds. With a budget it counts there, too, until it is left.
type usage struct {
	count, bytes atomicInt64
	budget       *Budget
	left         atomicBool
}

// addCount and addBytes return what is to be held against the bounds.
func (u *usage) addCount(n int64) int64 {
	own := u.count.Add(n)
	if u.budget == nil || u.left.Load() {
		return own
	}
	return u.budget.count.Add(n)
}

func (u *usage) addBytes(n int64) int64 {
	own := u.bytes.Add(n)
	if u.budget == nil || u.left.Load() {
		return own
	}
	return u.budget.bytes.Add(n)
}

// bounded is how many bytes are held against the bound.
func (u *usage) bounded() int64 {
	if u.budget == nil || u.left.Load() {
		return u.bytes.Load()
	}
	return u.budget.bytes.Load()
}

// leave gives back all that counts in the budget.
func (u *usage) leave() {
	if u.budget != nil && !u.left.Swap(true) {
		u.budget.count.Add(-u.count.Load())
		u.budget.bytes.Add(-u.bytes.Load())
	}
}

// LeaveBudget gives back what this Core holds of Config.Budget. It is for a Core that
// is dropped, once nothing is asked of it any more and its timers and dispatches are
// over: what changes at the same time may count twice.
func (c *Core) LeaveBudget() { c.store.used.leave() }
