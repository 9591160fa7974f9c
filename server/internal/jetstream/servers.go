package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"
	"golang.org/x/mod/semver"
)

// oldestServer is the first version without faults by which acknowledged messages
// were lost when servers joined and left.
const oldestServer = "v2.12.3"

// checkServers refuses servers that acknowledge what is not yet on disk, and old
// ones. Only the system account is told how servers store. Of those that hold the
// streams a majority must answer, and all that answer must be fit; one that is down
// now is named in the log.
func (e *Engine) checkServers(ctx context.Context) error {
	system, err := e.systemConnection(ctx)
	if err != nil {
		return err
	}
	defer system.Close()
	var holders []string
	for _, s := range []js.Stream{e.frames, e.nodes} {
		info := s.CachedInfo().Cluster
		if info == nil {
			return errors.New("cluster: the server is none of a cluster: at least three are needed, see --cluster-unsafe")
		}
		holders = append(holders, info.Leader)
		for _, r := range info.Replicas {
			holders = append(holders, r.Name)
		}
	}
	slices.Sort(holders)
	holders = slices.DeleteFunc(slices.Compact(holders), func(name string) bool { return name == "" })
	var silent []string
	err = patiently(ctx, func(ctx context.Context) error {
		answers, err := askServers(ctx, system, len(holders))
		if err != nil {
			return err
		}
		silent = nil
		for _, name := range holders {
			a, ok := answers[name]
			if !ok {
				silent = append(silent, name)
			} else if err := a.unfit(); err != nil {
				return err
			}
		}
		if 2*len(silent) >= len(holders) {
			return fmt.Errorf("cluster: servers %s do not say how they store: %w", strings.Join(silent, ", "), errSilent)
		}
		return nil
	}, func(err error) bool { return errors.Is(err, errSilent) || passing(err) })
	if err == nil && silent != nil {
		e.Log.Warn("cluster: servers of the engine are down, so it is not known whether they sync every write", "servers", silent)
	}
	return err
}

var errSilent = errors.New("no answer")

func (e *Engine) systemConnection(ctx context.Context) (*nats.Conn, error) {
	if e.Embedded != nil {
		return e.Embedded.connect(userSystem)
	}
	if e.SystemURL == "" && len(e.SystemConnection) == 0 {
		return nil, errors.New("cluster: servers tell only users of their system account whether they sync every write. " +
			"Name one (--cluster-system or --cluster-system-creds), or run without that check with --cluster-unsafe")
	}
	at := e.SystemURL
	if at == "" {
		at = e.URL
	}
	return e.dial(ctx, at, append([]nats.Option{nats.Name("simplane")}, e.SystemConnection...))
}

// serverAnswer is what a server says of itself, as far as it matters.
type serverAnswer struct {
	Server struct {
		Name    string `json:"name"`
		Version string `json:"ver"`
	} `json:"server"`
	Data *struct {
		Config struct {
			SyncAlways bool `json:"sync_always"`
		} `json:"config"`
	} `json:"data"`
}

func (a serverAnswer) unfit() error {
	if v := "v" + a.Server.Version; semver.Compare(v, oldestServer) < 0 {
		return fmt.Errorf("cluster: server %s is NATS %s: %s or newer is needed", a.Server.Name, v, oldestServer)
	}
	if a.Data == nil || !a.Data.Config.SyncAlways {
		return fmt.Errorf("cluster: server %s acknowledges messages that are not yet on its disk: "+
			"it needs \"sync_interval: always\" in its \"jetstream\" section (or see --cluster-unsafe)", a.Server.Name)
	}
	return nil
}

// askServers asks all servers, until enough have answered or none has for a while.
func askServers(ctx context.Context, system *nats.Conn, enough int) (map[string]serverAnswer, error) {
	const silence = 500 * time.Millisecond
	inbox := system.NewInbox()
	answers, err := system.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answers.Unsubscribe() }()
	if err := system.PublishRequest("$SYS.REQ.SERVER.PING.JSZ", inbox, []byte("{}")); err != nil {
		return nil, err
	}
	found := map[string]serverAnswer{}
	for len(found) < enough {
		wait, cancel := context.WithTimeout(ctx, silence)
		m, err := answers.NextMsgWithContext(wait)
		cancel()
		if err != nil {
			return found, ctx.Err()
		}
		var a serverAnswer
		if err := json.Unmarshal(m.Data, &a); err != nil {
			return nil, fmt.Errorf("cluster: a server's answer %.100q: %w", m.Data, err)
		}
		found[a.Server.Name] = a
	}
	return found, nil
}
