package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"simplane/server/client"
	"simplane/server/client/specfile"
)

// undoPatience is how long rolling back may take, all in all: it goes on when
// the command is interrupted.
const undoPatience = 30 * time.Second

// undoApplied takes back the changes of a plan whose last one failed with
// failure, newest first, and says what came of it.
func undoApplied(ctx context.Context, c *client.Client, plan []*applied, failure error) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoPatience)
	defer cancel()
	last := plan[len(plan)-1]
	// The server has refused it, unless the answer did not come, or from something
	// in between only.
	var answer *client.Error
	done := plan
	if errors.As(failure, &answer) && answer.Status < http.StatusInternalServerError {
		last.Result, done = resultFailed, plan[:len(plan)-1]
	}
	var left []string
	undone := 0
	for _, p := range slices.Backward(done) {
		if p.Result == resultUnchanged {
			continue
		}
		changed, err := p.undo(ctx, c)
		switch {
		case err != nil:
			p.Result += ", not rolled back"
			left = append(left, fmt.Sprintf("%s (%v)", p.Function, err))
		case !changed: // the failed change, whose answer did not come
			p.Result = resultFailed
		default:
			p.Result = resultRolledBack
			undone++
		}
	}
	switch {
	case len(left) > 0:
		return "these could not be rolled back: " + strings.Join(left, ", ")
	case undone > 0:
		return "the changes before it were rolled back"
	}
	return "nothing was changed"
}

// undo takes a change back, if nobody has made another one since. changed is
// false when it had not been made.
func (p *applied) undo(ctx context.Context, c *client.Client) (changed bool, err error) {
	now, err := c.Function(ctx, p.Function)
	switch {
	case p.seen == 0 && client.IsStatus(err, http.StatusNotFound), err == nil && p.seen != 0 && now.Value.Generation == p.seen:
		return false, nil
	case err != nil:
		return true, err
	case now.Value.Generation != p.seen+1, len(specfile.Diff(&now.Value, p.spec.Resolved)) > 0:
		return true, errors.New("somebody else has changed it since")
	case p.seen == 0:
		return true, c.Delete(ctx, p.Function)
	}
	_, err = c.Rollback(ctx, p.Function, p.seen, p.seen+1)
	return true, err
}
