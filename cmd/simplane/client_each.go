package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"simplane/server/client"
)

// forEach does something for each name and goes on after one that fails. The
// error names all that failed.
func forEach(ctx context.Context, names []string, verb string, do func(name string) error) error {
	var failed []string
	var last error
	for i, name := range names {
		err := do(name)
		switch {
		case err == nil:
			continue
		case ctx.Err() != nil:
			return ctx.Err()
		case client.IsStatus(err, http.StatusUnauthorized):
			return err // the others would meet the same
		}
		last = fmt.Errorf("%s: %w", name, err)
		failed = append(failed, last.Error())
		if i == 0 && len(names) == 1 {
			return last
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return &exitError{code: 1, err: errors.New(fmt.Sprintf("%d of %d were not %s: ", len(failed), len(names), verb) + strings.Join(failed, "; "))}
}
