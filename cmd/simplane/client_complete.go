package main

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"simplane/server/client"
)

// completionPatience is how long a shell may be kept waiting on a Tab.
const completionPatience = 2 * time.Second

// plainWord matches what a shell takes as one word that means itself, as the
// names of functions and settings and ids are.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._=-]*$`)

type completion = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// completing offers what list gets from the server and args do not hold yet;
// nothing when the server does not answer.
func completing(o *clientOptions, list func(ctx context.Context, c *client.Client, args []string) []string) completion {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		c, err := o.connect()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		ctx, cancel := context.WithTimeout(context.Background(), completionPatience)
		defer cancel()
		var out []string
		for _, s := range list(ctx, c, args) {
			if strings.HasPrefix(s, prefix) && !slices.Contains(args, s) && plainWord.MatchString(s) {
				out = append(out, s)
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

func functionNames(ctx context.Context, c *client.Client, _ []string) []string {
	a, err := c.Functions(ctx)
	if err != nil {
		return nil
	}
	var names []string
	for _, s := range a.Value {
		names = append(names, s.Name)
	}
	return names
}

func completeFunctions(o *clientOptions) completion { return completing(o, functionNames) }

// completeFunction completes the first argument only.
func completeFunction(o *clientOptions) completion {
	return completing(o, func(ctx context.Context, c *client.Client, args []string) []string {
		if len(args) > 0 {
			return nil
		}
		return functionNames(ctx, c, args)
	})
}

// completeExecutions offers the ids of executions that are still kept, the newest
// first.
func completeExecutions(o *clientOptions) completion {
	ids := completing(o, func(ctx context.Context, c *client.Client, _ []string) []string {
		a, err := c.Executions(ctx, client.Search{Limit: 50})
		if err != nil {
			return nil
		}
		var ids []string
		for _, e := range a.Value.Executions {
			ids = append(ids, e.ExecutionID)
		}
		return ids
	})
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		out, directive := ids(cmd, args, prefix)
		return out, directive | cobra.ShellCompDirectiveKeepOrder
	}
}

// completeDeadLetters completes a function, then ids of its dead letters.
func completeDeadLetters(o *clientOptions) completion {
	return completing(o, func(ctx context.Context, c *client.Client, args []string) []string {
		if len(args) == 0 {
			return functionNames(ctx, c, args)
		}
		a, err := c.DeadLetters(ctx, args[0], 100)
		if err != nil {
			return nil
		}
		var ids []string
		for _, e := range a.Value.DeadLetters {
			ids = append(ids, e.ExecutionID)
		}
		return ids
	})
}

// completeSettings completes the keys of settings, up to the equals sign.
func completeSettings(o *clientOptions) completion {
	keys := completing(o, func(ctx context.Context, c *client.Client, _ []string) []string {
		a, err := c.RuntimeConfig(ctx)
		if err != nil {
			return nil
		}
		var out []string
		for _, k := range a.Value.Settings() {
			out = append(out, k+"=")
		}
		return out
	})
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		out, directive := keys(cmd, args, prefix)
		return out, directive | cobra.ShellCompDirectiveNoSpace
	}
}
