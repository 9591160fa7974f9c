package journal

import "simplane/core"

// CodeUnavailable is the error code of an answer that should have waited until
// its facts are durable, and could not.
const CodeUnavailable = "JOURNAL_UNAVAILABLE"

// ErrUnavailable is returned by Wait.
var ErrUnavailable = &core.Rejection{Code: CodeUnavailable, Message: "the journal did not store this in time (journalTimeout): whether it takes effect is not known; repeat it with an idempotency key, or look it up"}
