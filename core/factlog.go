package core

// factLog are the facts of a durable execution. They are released once neither
// its record nor a dead letter of it needs them. Facts that say that the letter is
// gone, of a redrive or a purge, are kept as long: without them it would be there
// again after a restart.
type factLog struct {
	partition Partition
	users     atomicInt32
	gone      *factLog // has the fact that took the dead letter; nil = none
	// held says that the attempt which has started waits for its fact and is not
	// dispatched yet. until is set while the attempt was started by an earlier
	// process: the elapsed time at which it is given up. The function's lock guards
	// both.
	held  bool
	until int64
	// lsns are in order. They are added to under the function's lock, and do not
	// change after the end.
	lsns  []LSN
	first [3]LSN // most executions have no more
}

func newFactLog(p Partition) *factLog { return (&factLog{}).begin(p) }

// begin makes an empty l the log of a new execution in this partition.
func (l *factLog) begin(p Partition) *factLog {
	l.partition, l.lsns = p, l.first[:0]
	l.users.Store(1)
	return l
}

// accepted is the place of the first fact, FactAccepted.
func (l *factLog) accepted() LSN { return l.lsns[0] }

// last is the place of the newest fact.
func (l *factLog) last() LSN { return l.lsns[len(l.lsns)-1] }

// drop releases the facts, the oldest first, if the caller is their last user.
// An execution whose FactAccepted is gone has none in the journal.
func (l *factLog) drop(j Journal) {
	if l == nil || l.users.Add(-1) > 0 {
		return
	}
	for _, at := range l.lsns {
		j.Release(l.partition, at)
	}
	l.gone.drop(j)
}

// letterGone drops the facts of a dead letter that is gone by a fact of by.
func (l *factLog) letterGone(by *factLog, j Journal) {
	if l == nil {
		return
	}
	if by != nil {
		by.users.Add(1)
		l.gone = by
	}
	l.drop(j)
}

// durable says that ex is kept in the journal.
func (ex *execution) durable() bool { return ex.more != nil && ex.more.facts != nil }

// lastFact is the newest fact about ex; 0 = none.
func (ex *execution) lastFact() LSN {
	if !ex.durable() {
		return 0
	}
	return ex.more.facts.last()
}

// awaitsDispatch says that ex has a slot and its attempt is not dispatched yet,
// because its fact is not durable. The caller holds the function's lock.
func (ex *execution) awaitsDispatch() bool { return ex.durable() && ex.more.facts.held }

// formerly says that ex's attempt was started by an earlier process and is still
// open. The caller holds the function's lock.
func (ex *execution) formerly() bool {
	return ex.holdsSlot && ex.status == Running && ex.durable() && ex.more.facts.until > 0
}

// durability decides whether a request is kept in the journal; the error is
// ErrNoJournal or ErrJournalFull.
func (c *Core) durability(fn *Function, r *Request) (durable bool, why *Rejection) {
	asked := r.Durability
	if r.Sync || (c.cfg.Journal == nil && asked != DurabilityDisk) {
		return false, nil
	}
	if asked == DurabilityDefault {
		asked = fn.spec.Load().Durability
	}
	switch {
	case asked == DurabilityMemory:
		return false, nil
	case c.cfg.Journal == nil:
		return false, ErrNoJournal
	case !c.cfg.Journal.Room():
		return false, ErrJournalFull
	}
	return true, nil
}

// record puts a fact about the function into the journal and has the effects of
// the step wait for it. The caller holds fn.mu, as for all below.
func (fn *Function) record(fx *effects, f *Fact) LSN {
	f.Wall, f.Function, f.Registration = fx.now.Wall, fn.name, fn.registration
	fx.lsn = fn.core.cfg.Journal.Append(Partition(fn.tag), f)
	return fx.lsn
}

// recordOf is record of a fact about an execution that is durable.
func (fn *Function) recordOf(fx *effects, ex *execution, f *Fact) {
	f.ID, f.Attempt = ex.id, ex.attempt
	log := ex.more.facts
	log.lsns = append(log.lsns, fn.record(fx, f))
}

func (fn *Function) recordAccepted(fx *effects, ex *execution, in *input) {
	x := ex.more
	fn.recordOf(fx, ex, &Fact{
		Kind: FactAccepted, Letter: in.letter, Timeout: ex.timeout, Key: x.idempotencyKey, Print: in.key.print,
		TraceID: x.traceID, TraceParent: x.trace.Parent, TraceState: x.trace.State,
		Input: ex.input, Metadata: x.metadata,
	})
	fn.kept++
	fn.open++
}

func (fn *Function) recordRetried(fx *effects, ex *execution, failed *ExecError) {
	fn.recordOf(fx, ex, &Fact{
		Kind: FactRetried, RetryAt: ex.more.retryAt.Wall, Code: failed.Code, Message: clip(failed.Message, attemptMessage),
	})
}

func (fn *Function) recordEnded(fx *effects, ex *execution, how *ending) {
	f := Fact{Kind: FactEnded, Status: how.status, Unwanted: how.unwanted, Cold: ex.coldStart, InitMillis: ex.initMs}
	if f.Echo = sameBytes(ex.input, ex.output); !f.Echo {
		f.Output = ex.output
	}
	if how.err != nil {
		f.Code, f.Message, f.SharedError = how.err.Code, how.err.Message, how.err.shared
	}
	fn.recordOf(fx, ex, &f)
	fn.open--
}

// recordSpec puts a spec into the journal in place of the one before, if any.
func (fn *Function) recordSpec(fx *effects, spec *Spec, stored []byte) {
	spec.LSN = fn.record(fx, &Fact{Kind: FactFunctionSet, Generation: spec.Generation, Data: stored})
	fn.core.settingsAre(spec.LSN)
	if fn.setAt != 0 {
		fn.core.cfg.Journal.Release(Partition(fn.tag), fn.setAt)
	}
	fn.setAt = spec.LSN
}

// recordGone puts the function's deletion into the journal.
func (fn *Function) recordGone(fx *effects) {
	fn.goneAt = fn.record(fx, &Fact{Kind: FactFunctionGone})
	fn.core.settingsAre(fn.goneAt)
	fn.releaseSpec()
}

// evicted releases the facts of an execution that is evicted, unless a dead
// letter still needs them.
func (fn *Function) evicted(ex *execution) {
	if !ex.durable() {
		return
	}
	ex.more.facts.drop(fn.core.cfg.Journal)
	fn.kept--
	fn.releaseSpec()
}

// releaseSpec releases the facts of a deleted function once no execution of it
// is kept: one that is restored needs its function.
func (fn *Function) releaseSpec() {
	if fn.goneAt == 0 || fn.kept > 0 || fn.setAt == 0 {
		return
	}
	fn.core.cfg.Journal.Release(Partition(fn.tag), fn.setAt)
	fn.core.cfg.Journal.Release(Partition(fn.tag), fn.goneAt)
	fn.setAt = 0
}

// encodeSpec is a spec as the journal keeps it; nil without a journal. The error
// is ErrNoJournal for a spec that asks for one, or what Config.Specs says.
func (c *Core) encodeSpec(spec *Spec) ([]byte, error) {
	if c.cfg.Journal == nil {
		if spec.Durability == DurabilityDisk {
			return nil, ErrNoJournal
		}
		return nil, nil
	}
	return c.cfg.Specs.EncodeSpec(spec)
}

// SaveConfig puts the configuration of the program that embeds core into the
// journal, in place of the one before: bytes that core does not read, for
// Restorer.Config. It returns the place of the fact, and 0 without a journal.
func (c *Core) SaveConfig(data []byte) LSN {
	j := c.cfg.Journal
	if j == nil {
		return 0
	}
	c.configMu.Lock()
	defer c.configMu.Unlock()
	at := j.Append(configPartition, &Fact{Kind: FactConfig, Wall: c.clock.Now().Wall, Data: data})
	if c.configAt != 0 {
		j.Release(configPartition, c.configAt)
	}
	c.configAt = at
	c.settingsAre(at)
	return at
}

// SettingsAt is the newest fact about functions and configuration; 0 = none. Who
// has read any of them, or that there is none, may show that once this fact is
// durable.
func (c *Core) SettingsAt() LSN { return LSN(c.settingsAt.Load()) }

func (c *Core) settingsAre(at LSN) {
	for old := c.settingsAt.Load(); old < uint64(at) && !c.settingsAt.CompareAndSwap(old, uint64(at)); {
		old = c.settingsAt.Load()
	}
}

// UnfinishedDurable is the part of Unfinished that the journal keeps: after a
// restart it goes on.
func (c *Core) UnfinishedDurable() (n int) {
	for _, fn := range append(c.registry.list(), c.leaving.list()...) {
		fn.mu.Lock()
		n += fn.open
		fn.mu.Unlock()
	}
	return n
}
