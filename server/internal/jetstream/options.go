package jetstream

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
)

// Options says where the engine is and what it must be like.
type Options struct {
	// URL is one NATS server or several with commas between them. Connection has
	// credentials and TLS as nats.go has them.
	URL        string
	Connection []nats.Option
	// SystemURL and SystemConnection are a user of the servers' system account: it
	// alone is told whether they sync every write. An empty SystemURL is URL, if
	// SystemConnection is not empty.
	SystemURL        string
	SystemConnection []nats.Option
	// Embedded is a server inside this process. It takes the place of all above.
	Embedded *Embedded

	// Name is that of the stream and of its subjects: 1 to 32 of a-z, 0-9 and '-'.
	// "" = simplane.
	Name string
	// Replicas is how many servers have each message: 3 or 5. 0 = 3.
	Replicas int
	// MaxBytes bounds what the stream of frames takes on each server; a write
	// beyond it is refused. It is for the stream's making: one that is there keeps its
	// bound. 0 = 64 GiB.
	MaxBytes int64
	// MaxFact is the size of the largest fact, with its frame, in bytes: servers that do not
	// take it are refused, as it could never be stored. 0 = that is not checked.
	MaxFact int
	// MemberTTL is how long a member's record stays without a renewal, in whole
	// seconds. 0 = 6 s.
	MemberTTL time.Duration
	// Unsafe also takes fewer replicas than three, and servers that do not sync
	// every write or do not tell: what was acknowledged can be lost.
	Unsafe bool
	// Log is told of what happens to the connection. nil = nobody.
	Log *slog.Logger
}

const (
	defaultName     = "simplane"
	defaultReplicas = 3
	defaultMaxBytes = 64 << 30
	defaultTTL      = 6 * time.Second
)

// complete is o with its defaults, or what is wrong with it.
func (o Options) complete() (Options, error) {
	if o.Name == "" {
		o.Name = defaultName
	}
	if o.Replicas == 0 {
		o.Replicas = defaultReplicas
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.MemberTTL == 0 {
		o.MemberTTL = defaultTTL
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Embedded == nil {
		for _, urls := range []string{o.URL, o.SystemURL} {
			if err := CheckURLs(urls); err != nil {
				return o, fmt.Errorf("cluster: %w", err)
			}
		}
	}
	switch {
	case o.Embedded == nil && o.URL == "":
		return o, errors.New("cluster: no address of a NATS server")
	case !validName(o.Name):
		return o, fmt.Errorf("cluster: stream name %q: 1 to 32 of a-z, 0-9 and '-' are allowed", o.Name)
	case o.Replicas != 3 && o.Replicas != 5 && !(o.Unsafe && o.Replicas == 1):
		return o, fmt.Errorf("cluster: %d replicas: 3 or 5 survive the loss of a server; 1 is for trials, with --cluster-unsafe", o.Replicas)
	case o.MaxBytes < 1<<20:
		return o, fmt.Errorf("cluster: at most %d bytes of frames: at least 1 MiB is needed", o.MaxBytes)
	case o.MemberTTL < time.Second || o.MemberTTL%time.Second != 0:
		return o, fmt.Errorf("cluster: records of members expire after %v: whole seconds are needed", o.MemberTTL)
	}
	return o, nil
}

func validName(s string) bool {
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return 0 < len(s) && len(s) <= 32
}
