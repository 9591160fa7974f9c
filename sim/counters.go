package sim

import "simplane/core"

// counter numbers what is counted for each declared function.
type counter uint8

const (
	cOffered counter = iota
	cAccepted
	cSuccess
	cError
	cTimeout
	cRetries
	cRateLimited
	cQueueFull
	cEstWait
	cDepth
	cIdempotentHits
	cEvicted
	cCleaned
	cLate
	cDuplicate
	cColdStarts
	// Reported only when they occur.
	cNotFound
	cStoreFull
	cKeysFull
	cKeyReused
	cRejectedOther
	cQueueWait
	cStale
	cCancelled
	cRedriven
	cUpdates
	cCompleted // from outside
	cPurged    // dead letters
	cDraining
	cJournalFull
	cUnavailable // answers that waited for the journal for too long
	cInterrupted // attempts that ended with their process
	cLostFacts   // that the disk had said to be synced
	cRefusedStarts
	cScaleUps
	cScaleDowns
	cScaleTurns
	cReplicaSeconds
	// With several nodes.
	cNoOwner
	cOwnerLost
	cLookUps
	cTakeovers        // a partition's owner changed although the one before had not given it up
	cHandOvers        // and had given it up
	cToldOutcomes     // of attempts, that an owner after the one that dispatched them was told
	cLostFrames       // acknowledged by the engine, and gone
	cClosedPartitions // found to lack frames
	cConfigured       // changes of the configuration
	cCallerRetries
	cCallersFailed
	counterCount
)

const alwaysReported = cNotFound

var counterNames = [counterCount]string{"offered", "accepted", "success", "error", "timeout", "retries",
	"rejected.rate_limited", "rejected.queue_full", "rejected.est_wait", "rejected.depth",
	"idempotent_hits", "evicted", "cleaned", "late_results", "duplicate_results", "cold_starts",
	"rejected.not_found", "rejected.store_full", "rejected.idempotency_store_full", "rejected.idempotency_key_reused", "rejected.other",
	"queue_wait_exceeded", "stale", "cancelled", "redriven", "updates", "completed", "purged", "rejected.draining",
	"rejected.journal_full", "unavailable", "interrupted", "lost_facts", "refused_starts",
	"scale_ups", "scale_downs", "scale_turns", "replica_seconds",
	"rejected.no_owner", "owner_lost", "lookups", "takeovers", "hand_overs", "told_outcomes", "lost_frames", "closed_partitions", "configured",
	"caller_retries", "callers_failed"}

// Counts are the counters of one function, or of all.
type Counts [counterCount]int64

// Get is the counter of a name as scenario files write it.
func (c *Counts) Get(name string) int64 {
	for i, n := range counterNames {
		if n == name {
			return c[i]
		}
	}
	return 0
}

// Rejected is the sum of all rejections.
func (c *Counts) Rejected() int64 {
	return c[cRateLimited] + c[cQueueFull] + c[cEstWait] + c[cDepth] + c[cJournalFull] +
		c[cNotFound] + c[cStoreFull] + c[cKeysFull] + c[cKeyReused] + c[cDraining] + c[cNoOwner] + c[cRejectedOther]
}

// Ended is the sum of all terminal states.
func (c *Counts) Ended() int64 { return c[cSuccess] + c[cError] + c[cTimeout] }

// addEnd counts the end of an execution by its status, why it ended if that has a
// counter, and a cold start of its last attempt.
func (c *Counts) addEnd(ev *core.Event) {
	if ev.Cold {
		c[cColdStarts]++
	}
	switch ev.Status {
	case core.Success:
		c[cSuccess]++
	case core.Error:
		c[cError]++
	default:
		c[cTimeout]++
	}
	switch ev.Code {
	case core.CodeStale:
		c[cStale]++
	case core.CodeCancelled:
		c[cCancelled]++
	case core.CodeQueueWait:
		c[cQueueWait]++
	case core.CodeInterrupted:
		c[cInterrupted]++
	}
}

// addRetry counts a failed attempt that another will follow.
func (c *Counts) addRetry(ev *core.Event) {
	c[cRetries]++
	if ev.Cold {
		c[cColdStarts]++
	}
	if ev.Code == core.CodeInterrupted {
		c[cInterrupted]++
	}
}

func (c *Counts) failed() int64 { return c[cError] + c[cTimeout] }

func (c *Counts) add(other *Counts) {
	for i := range c {
		c[i] += other[i]
	}
}

func rejectionCounter(code string) counter {
	switch code {
	case core.CodeRateLimited:
		return cRateLimited
	case core.CodeQueueFull:
		return cQueueFull
	case core.CodeEstWait:
		return cEstWait
	case core.CodeDepth:
		return cDepth
	case core.CodeNotFound:
		return cNotFound
	case core.CodeStoreFull:
		return cStoreFull
	case core.CodeIdempotencyFull:
		return cKeysFull
	case core.CodeKeyReused:
		return cKeyReused
	case core.CodeJournalFull:
		return cJournalFull
	case core.CodeDraining:
		return cDraining
	}
	return cRejectedOther
}
