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
	raw, err := json.Marshal(storedRuntime{
		Revision: a.runtime.revision, Applied: a.runtime.applied, ChangeID: a.runtime.changeID,
		RateMaxPerSecond: max(a.Core.RateMaxPerSecond(), 0), SyncQueue: a.Core.SyncQueue(), History: a.runtime.history,
	})
	if err != nil { // numbers and texts only
		a.Log.Error("the runtime configuration cannot be stored", "error", err)
		return 0
	}
	return a.Core.SaveConfig(raw)
}

// RestoreRuntime puts the configuration that an earlier process has left in
// force, in place of the one that this process was started with.
func (a *Admin) RestoreRuntime(raw []byte) error {
	if len(raw) == 0 {
		return nil
	}
	var s storedRuntime
	if err := json.Unmarshal(raw, &s); err != nil {
		return fmt.Errorf("the stored runtime configuration: %w", err)
	}
	if err := s.SyncQueue.Validate(); err != nil {
		return fmt.Errorf("the stored runtime configuration: %w", err)
	}
	if problem := core.Limits.RateMaxPerSecond.Problem(s.RateMaxPerSecond); problem != "" {
		return fmt.Errorf("the stored runtime configuration: %s: %s", core.Limits.RateMaxPerSecond.Name, problem)
	}
	a.runtime.mu.Lock()
	defer a.runtime.mu.Unlock()
	started := a.runtimeValues()
	a.Core.SetRateMaxPerSecond(s.RateMaxPerSecond)
	_ = a.Core.SetSyncQueue(s.SyncQueue) // validated
	a.runtime.revision, a.runtime.applied, a.runtime.changeID, a.runtime.history = s.Revision, s.Applied, s.ChangeID, s.History
	if changes := differences(started, a.runtimeValues()); len(changes) > 0 {
		a.Log.Info("the runtime configuration is the one of the data directory, not the one of the start", "revision", s.Revision, "changes", changesText(changes))
	}
	return nil
}
