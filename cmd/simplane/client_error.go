package main

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"simplane/server/client"
)

// clientError gives an error its exit code, and a hint where one helps.
func clientError(err error) error {
	var answer *client.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return &exitError{code: 1, err: errors.New("interrupted")}
	case !errors.As(err, &answer):
		return err
	case answer.BadInput():
		return &exitError{code: 2, err: err}
	case answer.Status == http.StatusUnauthorized:
		return &exitError{code: 1, err: errors.New(answer.Error() + "; give it with --token or SIMPLANE_TOKEN")}
	case answer.Status == http.StatusNotFound && strings.HasPrefix(answer.Message, "no such path"):
		return &exitError{code: 1, err: errors.New(answer.Error() + "; administration may be on the management address only: try --server with that")}
	}
	return err
}

// exactArgs requires the named positional arguments.
func exactArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usageErrorf("%s is missing (see '%s --help')", names[len(args)], cmd.CommandPath())
		case len(args) > len(names):
			return usageErrorf("unexpected argument %q (see '%s --help')", args[len(names)], cmd.CommandPath())
		}
		return notBlank(names, args)
	}
}

// atLeastArgs requires the named positional arguments and allows more.
func atLeastArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return usageErrorf("%s is missing (see '%s --help')", names[len(args)], cmd.CommandPath())
		}
		return notBlank(names, args)
	}
}

// notBlank catches what an unset shell variable leaves behind.
func notBlank(names, args []string) error {
	for i, arg := range args {
		if strings.TrimSpace(arg) == "" {
			return usageErrorf("%s is empty", names[min(i, len(names)-1)])
		}
	}
	return nil
}
