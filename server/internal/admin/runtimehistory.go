package admin

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/valyala/fasthttp"

	"simplane/server/internal/httpjson"
)

// runtimeHistorySize is how many changes of the runtime configuration are kept.
const runtimeHistorySize = 50

// runtimeChange is one revision: when and by whom it was made, and what differs
// from the one before.
type runtimeChange struct {
	Revision int64         `json:"revision"`
	AtMillis int64         `json:"atMillis"`
	Who      string        `json:"who"`
	Remote   string        `json:"remote,omitempty"`
	Changes  []valueChange `json:"changes"`
}

type valueChange struct {
	Key  string `json:"key"`
	From any    `json:"from"`
	To   any    `json:"to"`
}

func (c valueChange) String() string { return fmt.Sprintf("%s: %v -> %v", c.Key, c.From, c.To) }

// author is who changes the runtime configuration; remote is empty for a signal.
type author struct{ who, remote string }

// differences lists the values that changed, in the order of the fields.
func differences(before, after runtimeValues) []valueChange {
	found := []valueChange{} // [] rather than null when empty
	was, is := reflect.ValueOf(before), reflect.ValueOf(after)
	for i := range was.NumField() {
		key := was.Type().Field(i).Tag.Get("json")
		from, to := was.Field(i).Interface(), is.Field(i).Interface()
		if key != "revision" && from != to {
			found = append(found, valueChange{key, from, to})
		}
	}
	return found
}

// record keeps a change and forgets the oldest beyond the bound; the caller
// holds rc.mu.
func (rc *runtimeConfig) record(c runtimeChange) {
	if len(rc.History) == runtimeHistorySize {
		copy(rc.History, rc.History[1:])
		rc.History = rc.History[:runtimeHistorySize-1]
	}
	rc.History = append(rc.History, c)
}

// RuntimeHistory lists the last changes, newest first.
func (a *Admin) RuntimeHistory(ctx *fasthttp.RequestCtx) {
	a.runtime.mu.Lock()
	revision := a.runtime.Revision
	newestFirst := make([]runtimeChange, 0, len(a.runtime.History))
	for i := range a.runtime.History {
		newestFirst = append(newestFirst, a.runtime.History[len(a.runtime.History)-1-i])
	}
	a.runtime.mu.Unlock()
	if a.stored(ctx, a.Core.SettingsAt()) {
		httpjson.WriteJSON(ctx, fasthttp.StatusOK, map[string]any{"revision": revision, "changes": newestFirst})
	}
}

func changesText(changes []valueChange) string {
	if len(changes) == 0 {
		return "none"
	}
	lines := make([]string, len(changes))
	for i, c := range changes {
		lines[i] = c.String()
	}
	return strings.Join(lines, ", ")
}
