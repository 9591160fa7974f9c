package jetstream

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// serverLog is the log of the server inside, as records of this process's log, each at
// the level at which it matters to those who run a cluster: not all that is an error or a
// warning to a NATS server is one to them.
type serverLog struct {
	to    *slog.Logger
	name  string      // of this server
	twice atomic.Bool // another one of the cluster has it, too

	mu      sync.Mutex
	missing map[string]time.Time // servers that were not reached, by address, and since when
}

func newServerLog(to *slog.Logger, name string) *serverLog {
	return &serverLog{to: to, name: name, missing: map[string]time.Time{}}
}

func (l *serverLog) Noticef(format string, v ...any) {
	l.reached(fmt.Sprintf(format, v...))
	l.tell(slog.LevelDebug, format, v)
}

func (l *serverLog) Warnf(format string, v ...any) {
	if text := fmt.Sprintf(format, v...); isUsual(text) {
		l.tell(slog.LevelDebug, format, v)
		return
	}
	l.tell(slog.LevelWarn, format, v)
}

func (l *serverLog) Errorf(format string, v ...any) {
	if strings.Contains(format, unreached) {
		l.notReached(format, v)
		return
	}
	if strings.Contains(format, sameName) && strings.HasSuffix(fmt.Sprintf(format, v...), fmt.Sprintf("%q", l.name)) {
		if l.twice.Swap(true) { // it is said four times a second
			l.tell(slog.LevelDebug, format, v)
			return
		}
	}
	l.tell(slog.LevelError, format, v)
}

func (l *serverLog) Fatalf(format string, v ...any) { l.tell(slog.LevelError, format, v) }
func (l *serverLog) Debugf(string, ...any)          {}
func (l *serverLog) Tracef(string, ...any)          {}

func (l *serverLog) tell(level slog.Level, format string, v []any) {
	if l.to.Enabled(context.Background(), level) {
		l.to.Log(context.Background(), level, "engine: "+fmt.Sprintf(format, v...))
	}
}

// Formats of a NATS server: of an attempt to reach another server, and of a connection
// that came about, and of one to a server of a name that is known already.
const (
	unreached = "Error trying to connect to route"
	connected = "Route connection created"
	sameName  = "Remote server has a duplicate name"
)

// usual are warnings about what is as it should be here: the password is made for each
// start and never leaves the process, the size of messages is chosen, and a server that
// starts waits for the others, which Ready tells of when it takes too long.
var usual = []string{
	"Plaintext passwords detected", "Maximum payloads over", "Waiting for routing to be established",
	"JetStream has not established contact with a meta leader", "Metalayer blocking snapshot",
}

func isUsual(text string) bool {
	for _, u := range usual {
		if strings.HasPrefix(text, u) {
			return true
		}
	}
	return false
}

// maxMissing bounds the servers that are remembered as not reached; the one that has been
// for longest is forgotten first, as its address may be of the past.
const maxMissing = 64

// notReached says so once of each server that is down, in place of four times a second:
// it is tried again for ever.
func (l *serverLog) notReached(format string, v []any) {
	var reason any = "unknown"
	if len(v) > 0 {
		reason = v[len(v)-1]
	}
	at := fmt.Sprint(reason) // of a name that is not found, say
	if err, ok := reason.(*net.OpError); ok && err.Addr != nil {
		at = err.Addr.String()
	}
	if l.miss(at) {
		l.to.Warn("engine: a server of the cluster is not reached; it is tried until it is", "server", at, "error", reason)
		return
	}
	l.tell(slog.LevelDebug, format, v)
}

// miss remembers a server, and reports whether it was not missed before.
func (l *serverLog) miss(at string) (first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.missing[at]; known {
		return false
	}
	if len(l.missing) == maxMissing {
		oldest := at
		for other, since := range l.missing {
			if oldest == at || since.Before(l.missing[oldest]) {
				oldest = other
			}
		}
		delete(l.missing, oldest)
	}
	l.missing[at] = time.Now()
	return true
}

// reached says that a server is there again, by what the server says of a connection:
// "ADDRESS - rid:N - Route connection created (HOST)".
func (l *serverLog) reached(text string) {
	if !strings.Contains(text, connected) {
		return
	}
	at, _, _ := strings.Cut(text, " - ")
	l.mu.Lock()
	since, was := l.missing[at]
	delete(l.missing, at)
	l.mu.Unlock()
	if was {
		l.to.Info("engine: a server of the cluster is reached again", "server", at, "after", time.Since(since).Round(time.Millisecond))
	}
}
