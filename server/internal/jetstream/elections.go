package jetstream

import (
	"log/slog"
	"sync"
	"time"
	_ "unsafe" // for go:linkname
)

// A server that leads and is lost is missed after 4 to 9 s, which NATS has no setting
// for. A member's lease ends after 4.5 s without a renewal, and nobody can renew while
// nobody leads: with NATS's times the loss of one node would stop all of them. So an
// embedded server has shorter ones. The variables are NATS's own, which its tests set
// as well. If a newer NATS has no such variables, nothing but the times is lost.
//
//go:linkname minElectionTimeout github.com/nats-io/nats-server/v2/server.minElectionTimeout
var minElectionTimeout time.Duration

//go:linkname maxElectionTimeout github.com/nats-io/nats-server/v2/server.maxElectionTimeout
var maxElectionTimeout time.Duration

//go:linkname hbInterval github.com/nats-io/nats-server/v2/server.hbInterval
var hbInterval time.Duration

const (
	shortestElection = 1250 * time.Millisecond
	longestElection  = 2500 * time.Millisecond
	heartbeats       = 250 * time.Millisecond
)

var shortenOnce sync.Once

// shortenElections is called before the first server of the process starts.
func shortenElections(log *slog.Logger) {
	shortenOnce.Do(func() {
		if minElectionTimeout != 4*time.Second || maxElectionTimeout != 9*time.Second || hbInterval != time.Second {
			if log != nil {
				log.Warn("cluster: this version of NATS has other times of elections, which stay as they are")
			}
			return
		}
		minElectionTimeout, maxElectionTimeout, hbInterval = shortestElection, longestElection, heartbeats
	})
}
