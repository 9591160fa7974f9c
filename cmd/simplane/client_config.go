package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"simplane/server/client"
)

func configCommand(o *clientOptions) *cobra.Command {
	return group("config", "Read and change settings of the running server", configGetCommand(o), configSetCommand(o), configHistoryCommand(o), configEffectiveCommand(o))
}

func configGetCommand(o *clientOptions) *cobra.Command {
	return &cobra.Command{
		Use: "get", Short: "Show the settings that can be changed while the server runs", Args: noArgs,
		RunE: calling(o, func(ctx context.Context, c *client.Client, cmd *cobra.Command, _ []string) error {
			a, err := c.RuntimeConfig(ctx)
			if err != nil {
				return err
			}
			return printConfig(cmd.OutOrStdout(), o, a)
		}),
	}
}

func printConfig(w io.Writer, o *clientOptions, a client.Answer[client.RuntimeConfig]) error {
	if done, err := o.structured(w, a.Raw); done {
		return err
	}
	t := newTable("KEY", "VALUE")
	for _, key := range slices.Sorted(maps.Keys(a.Value)) {
		if raw := a.Value[key]; raw[0] != '{' { // effectiveConfig has the same values again
			t.row(key, plainValue(raw))
		}
	}
	return t.print(w)
}

func configSetCommand(o *clientOptions) *cobra.Command {
	var expected int64
	var dryRun bool
	cmd := &cobra.Command{
		Use: "set KEY=VALUE...", Short: "Change settings, all or none", Args: atLeastArgs("KEY=VALUE"),
		Long: "Change settings of the running server, all or none. Keys are those of\n" +
			"`config get`; durations are written 500ms or PT0.5S. When somebody else changed\n" +
			"the settings in between, the command fails and nothing is changed.",
		ValidArgsFunction: completeSettings(o),
		RunE: calling(o, func(ctx context.Context, c *client.Client, cmd *cobra.Command, args []string) error {
			now, err := c.RuntimeConfig(ctx)
			if err != nil {
				return err
			}
			values, err := settingValues(args, now.Value)
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("expect-revision") {
				expected = now.Value.Revision()
			}
			if dryRun {
				if _, err := c.CheckRuntimeConfig(ctx, expected, values); err != nil {
					return err
				}
				if done, err := o.structuredValue(cmd.OutOrStdout(), map[string]bool{"valid": true}); done {
					return err
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "valid; nothing changed (dry run)")
				return err
			}
			a, err := c.SetRuntimeConfig(ctx, expected, values)
			if err != nil {
				return err
			}
			return printConfig(cmd.OutOrStdout(), o, a)
		}),
	}
	cmd.Flags().Int64Var(&expected, "expect-revision", 0, "fail unless the settings are at this `revision` (default: the one just read)")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only check the values")
	return cmd
}

func configHistoryCommand(o *clientOptions) *cobra.Command {
	return &cobra.Command{
		Use: "history", Short: "Show who changed the settings, newest first", Args: noArgs,
		RunE: calling(o, func(ctx context.Context, c *client.Client, cmd *cobra.Command, _ []string) error {
			a, err := c.RuntimeConfigHistory(ctx)
			if err != nil {
				return err
			}
			if done, err := o.structured(cmd.OutOrStdout(), a.Raw); done {
				return err
			}
			t := newTable("REVISION", "TIME", "WHO", "FROM", "CHANGES").cut("CHANGES")
			for _, c := range a.Value.Changes {
				changes := []string{}
				for _, v := range c.Changes {
					changes = append(changes, fmt.Sprintf("%s: %s -> %s", v.Key, plainValue(v.From), plainValue(v.To)))
				}
				t.row(strconv.FormatInt(c.Revision, 10), o.when(c.AtMillis), c.Who, orDash(c.Remote), orDash(strings.Join(changes, ", ")))
			}
			return t.print(cmd.OutOrStdout())
		}),
	}
}

func plainValue(raw json.RawMessage) string { return strings.Trim(string(raw), `"`) }

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// settingValues turns key=value into JSON values of the kind that the key
// has now.
func settingValues(args []string, now client.RuntimeConfig) (map[string]any, error) {
	values := map[string]any{}
	for _, arg := range args {
		key, text, ok := strings.Cut(arg, "=")
		have, known := now[key], slices.Contains(now.Settings(), key)
		switch {
		case !ok || key == "":
			return nil, usageErrorf("expected KEY=VALUE, not %q", arg)
		case key == "revision":
			return nil, usageErrorf("revision is counted by the server; --expect-revision guards a change")
		case !known:
			return nil, usageErrorf("unknown key %q; known are %s", key, strings.Join(now.Settings(), ", "))
		}
		if _, twice := values[key]; twice {
			return nil, usageErrorf("key %q is given twice", key)
		}
		v, err := settingValue(text, have)
		if err != nil {
			return nil, usageErrorf("%s: %w", key, err)
		}
		values[key] = v
	}
	return values, nil
}

func settingValue(text string, have json.RawMessage) (any, error) {
	switch have[0] {
	case 't', 'f':
		switch strings.ToLower(text) {
		case "true", "on":
			return true, nil
		case "false", "off":
			return false, nil
		}
		return nil, fmt.Errorf("must be true or false, not %q", text)
	case '"':
		if d, err := time.ParseDuration(text); err == nil {
			return isoDuration(d), nil
		}
		return text, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("must be a whole number, not %q", text)
	}
	return n, nil
}

// isoDuration writes a duration as the API does, in seconds: PT0.5S.
func isoDuration(d time.Duration) string {
	return "PT" + strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "S"
}
