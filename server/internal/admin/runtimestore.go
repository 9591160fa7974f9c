package admin

import (
	"encoding/json"
	"fmt"
	"time"

	"simplane/core"
)

// storedRuntime is the runtime configuration as the journal keeps it.
type storedRuntime struct {
	Revision         int64                `json:"revision"`
	Applied          time.Time            `json:"applied"`
	ChangeID         string               `json:"changeId"`
	RateMaxPerSecond int64                `json:"rateMaxPerSecond"`
	SyncQueue        core.SyncQueueConfig `json:"syncQueue"`
	History          []runtimeChange      `json:"history"`
}

// saveRuntime puts the configuration into the journal, if there is one; the caller
// holds runtime.mu.
func (a *Admin) saveRuntime() core.LSN {
	raw, err := json.Marshal(a.runtime.storedRuntime)
	if err != nil { // numbers and texts only
		a.Log.Error("the runtime configuration cannot be stored", "error", err)
		return 0
	}
	a.runtime.saved = savedRuntime{a.Core.SaveConfig(raw), a.runtime.Revision, raw}
	return a.runtime.saved.at
}

type savedRuntime struct {
	at       core.LSN
	revision int64
	raw      []byte
}

// Saved is what was put into the journal last, and at which place; 0 = nothing was.
func (a *Admin) Saved() (at core.LSN, revision int64, raw []byte) {
	a.runtime.mu.Lock()
	defer a.runtime.mu.Unlock()
	return a.runtime.saved.at, a.runtime.saved.revision, a.runtime.saved.raw
}

func (a *Admin) savedAt() core.LSN {
	at, _, _ := a.Saved()
	return at
}

// Revision is the newest one.
func (a *Admin) Revision() int64 {
	a.runtime.mu.Lock()
	defer a.runtime.mu.Unlock()
	return a.runtime.Revision
}

// Follow puts a configuration that is stored, as its owner has announced, in force in all
// cores of this node. One that is not newer than that in force changes nothing: what is
// told may be late.
func (a *Admin) Follow(raw []byte) error {
	s, err := decodeRuntime(raw)
	if err != nil {
		return err
	}
	a.runtime.mu.Lock()
	defer a.runtime.mu.Unlock()
	if s.Revision <= a.runtime.Revision {
		return nil
	}
	a.runtime.storedRuntime, a.runtime.followed = s, true
	for _, c := range a.Cores() {
		s.applyTo(c)
	}
	a.Log.Info("runtime configuration followed", "revision", s.Revision)
	return nil
}

// FollowIn puts the configuration that was followed last in force in a core that is
// among a.Cores by now.
func (a *Admin) FollowIn(c *core.Core) {
	a.runtime.mu.Lock()
	defer a.runtime.mu.Unlock()
	if a.runtime.followed {
		a.runtime.applyTo(c)
	}
}

func (s *storedRuntime) applyTo(c *core.Core) {
	c.SetRateMaxPerSecond(s.RateMaxPerSecond)
	_ = c.SetSyncQueue(s.SyncQueue) // validated
}

func decodeRuntime(raw []byte) (s storedRuntime, err error) {
	if err := json.Unmarshal(raw, &s); err != nil {
		return s, fmt.Errorf("the stored runtime configuration: %w", err)
	}
	if err := s.SyncQueue.Validate(); err != nil {
		return s, fmt.Errorf("the stored runtime configuration: %w", err)
	}
	if problem := core.Limits.RateMaxPerSecond.Problem(s.RateMaxPerSecond); problem != "" {
		return s, fmt.Errorf("the stored runtime configuration: %s: %s", core.Limits.RateMaxPerSecond.Name, problem)
	}
	return s, nil
}

// RestoreRuntime puts the configuration that an earlier process has left in
// force, in place of the one that this process was started with; with FollowsStored it
// becomes the newest revision only.
func (a *Admin) RestoreRuntime(raw []byte) error {
	if len(raw) == 0 {
		return nil
	}
	s, err := decodeRuntime(raw)
	if err != nil {
		return err
	}
	a.runtime.mu.Lock()
	defer a.runtime.mu.Unlock()
	started := a.runtimeValues()
	a.runtime.storedRuntime = s
	if a.FollowsStored {
		return nil
	}
	s.applyTo(a.Core)
	if changes := differences(started, a.runtimeValues()); len(changes) > 0 {
		a.Log.Info("the runtime configuration is the one of the data directory, not the one of the start", "revision", s.Revision, "changes", changesText(changes))
	}
	return nil
}
