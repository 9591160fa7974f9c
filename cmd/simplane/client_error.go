package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"simplane/server/client"
)

// clientError gives an error its exit code, and a hint where one helps.
func clientError(err error) error {
	var answer *client.Error
	switch {
	case err == nil:
		return nil
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

// What a process that a signal has ended exits with, as shells count.
const (
	exitInterrupted = 128 + int(syscall.SIGINT)
	exitTerminated  = 128 + int(syscall.SIGTERM)
)

// interrupted is the error of a command that a signal has ended.
func interrupted(ctx context.Context, err error) error {
	code := exitInterrupted
	if strings.HasPrefix(context.Cause(ctx).Error(), syscall.SIGTERM.String()) {
		code = exitTerminated
	}
	text := strings.NewReplacer(context.Cause(ctx).Error(), "interrupted", context.Canceled.Error(), "interrupted").Replace(err.Error())
	return &exitError{code: code, err: errors.New(text)}
}

// goesOn adds to the error of an interrupted command what becomes of the work
// that it has asked for.
func goesOn(ctx context.Context, err error, format string, args ...any) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	return fmt.Errorf("%w; %s", err, fmt.Sprintf(format, args...))
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

// upToArgs allows the named positional arguments to be left out from the last one on.
func upToArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		return exactArgs(names[:min(len(args), len(names))]...)(cmd, args)
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
