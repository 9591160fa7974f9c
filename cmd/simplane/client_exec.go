package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"simplane/server/client"
)

var statuses = []string{"queued", "running", "success", "error", "timeout"}

func execCommand(o *clientOptions) *cobra.Command {
	return group("exec", "Look at executions, and cancel them", execListCommand(o), execGetCommand(o), execWatchCommand(o), execCancelCommand(o))
}

func execGetCommand(o *clientOptions) *cobra.Command {
	var whole bool
	cmd := &cobra.Command{
		Use: "get ID", Aliases: []string{"describe"}, Short: "Show an execution", Args: exactArgs("ID"),
		ValidArgsFunction: completeExecutions(o),
		RunE: calling(o, func(ctx context.Context, c *client.Client, cmd *cobra.Command, args []string) error {
			get := c.Execution
			if whole {
				get = c.ExecutionInFull
			}
			a, err := get(ctx, args[0])
			if err != nil {
				return err
			}
			if done, err := o.structured(cmd.OutOrStdout(), a.Raw); done {
				return err
			}
			return printExecution(cmd.OutOrStdout(), a.Value)
		}),
	}
	cmd.Flags().BoolVar(&whole, "input", false, "show input and metadata of any length; otherwise up to 4 KiB each")
	return cmd
}

func execCancelCommand(o *clientOptions) *cobra.Command {
	return &cobra.Command{
		Use: "cancel ID...", Short: "End executions that have not ended", Args: atLeastArgs("ID"),
		Annotations: namesToo,
		Long: "End executions that have not ended, with the error CANCELLED: a queued one leaves\n" +
			"the queue, one that pauses is not tried again, the call of a running one is\n" +
			"broken off.",
		ValidArgsFunction: completeExecutions(o),
		RunE: calling(o, func(ctx context.Context, c *client.Client, cmd *cobra.Command, args []string) error {
			return forEach(ctx, args, "cancelled", func(id string) error {
				a, err := c.Cancel(ctx, id)
				if err != nil {
					return err
				}
				if done, err := o.structured(cmd.OutOrStdout(), a.Raw, id); done {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s cancelled\n", id)
				return err
			})
		}),
	}
}

// printExecution shows one execution in full.
func printExecution(w io.Writer, e client.Execution) error {
	t := newTable("id:", e.ExecutionID)
	t.row("function:", e.FunctionName)
	t.row("status:", e.Status)
	t.row("attempt:", strconv.Itoa(e.Attempt))
	t.row("created:", clockTime(e.CreatedAtMillis))
	t.row("started:", clockTime(e.StartedAtMillis))
	t.row("finished:", clockTime(e.FinishedAtMillis))
	t.row("waited:", span(e.CreatedAtMillis, firstTime(e.StartedAtMillis, e.FinishedAtMillis)))
	t.row("ran:", span(e.StartedAtMillis, e.FinishedAtMillis))
	if e.ColdStart {
		t.row("cold start:", fmt.Sprintf("%d ms", e.InitDurationMs))
	}
	if e.RetryAtMillis != 0 {
		t.row("next attempt:", nextAttempt(e.RetryAtMillis))
	}
	for _, row := range [][2]string{{"idempotency key:", e.IdempotencyKey}, {"trace id:", e.TraceID}} {
		if row[1] != "" {
			t.row(row[0], oneLine(row[1]))
		}
	}
	if e.InputBytes > 0 {
		t.row("input:", fmt.Sprintf("%d bytes, see --input", e.InputBytes))
	}
	if e.MetadataBytes > 0 {
		t.row("metadata:", fmt.Sprintf("%d bytes, see --input", e.MetadataBytes))
	}
	if e.Error != nil {
		t.row("error:", e.Error.Message+" ("+e.Error.Code+")")
	}
	if err := t.print(w); err != nil {
		return err
	}
	if err := printAttempts(w, e); err != nil {
		return err
	}
	for _, part := range []struct {
		name string
		raw  json.RawMessage
	}{{"metadata", e.Metadata}, {"input", e.Input}, {"output", e.Output}} {
		if len(part.raw) == 0 {
			continue
		}
		fmt.Fprintf(w, "%s:\n", part.name)
		if err := printJSON(w, part.raw); err != nil {
			return err
		}
	}
	if e.CleanedUp {
		fmt.Fprintln(w, "(input and output are no longer kept)")
	}
	return nil
}

// nextAttempt says when an execution that pauses is tried again, by this
// machine's clock.
func nextAttempt(ms int64) string {
	at := time.UnixMilli(ms)
	if left := time.Until(at); left > 0 {
		return clockTime(ms) + ", in " + shortDuration(left)
	}
	return clockTime(ms)
}

// printAttempts lists the attempts that failed before the present one; nothing
// when there is none.
func printAttempts(w io.Writer, e client.Execution) error {
	if len(e.FailedAttempts) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(w, "failed attempts:"); err != nil {
		return err
	}
	t := newTable("  ATTEMPT", "STARTED", "RAN", "ERROR")
	for _, a := range e.FailedAttempts {
		t.row("  "+strconv.Itoa(a.Attempt), clockTime(a.StartedAtMillis), span(a.StartedAtMillis, a.FinishedAtMillis), a.Error.Message+" ("+a.Error.Code+")")
	}
	return t.print(w)
}

func firstTime(times ...int64) int64 {
	for _, t := range times {
		if t != 0 {
			return t
		}
	}
	return 0
}

func execWatchCommand(o *clientOptions) *cobra.Command {
	return &cobra.Command{
		Use: "watch ID", Short: "Follow an execution to its end", Args: exactArgs("ID"),
		Long: "Follow an execution to its end: one line for each change of status, or with\n" +
			"-o json one JSON object a line. Fails when the execution does not succeed.",
		Annotations:       jsonOnly,
		ValidArgsFunction: completeExecutions(o),
		RunE: calling(o, func(ctx context.Context, c *client.Client, cmd *cobra.Command, args []string) error {
			w := cmd.OutOrStdout()
			a, err := c.Wait(ctx, args[0], func(a client.Answer[client.Execution]) error {
				if o.json() {
					return printLine(w, a.Raw)
				}
				e := a.Value
				at := firstTime(e.FinishedAtMillis, e.StartedAtMillis, e.CreatedAtMillis)
				note := ""
				if e.RetryAtMillis != 0 {
					note = ", after a pause until " + clockTime(e.RetryAtMillis)
					if n := len(e.FailedAttempts); n > 0 {
						last := e.FailedAttempts[n-1]
						at = last.FinishedAtMillis
						note += ": " + oneLine(last.Error.Message) + " (" + oneLine(last.Error.Code) + ")"
					}
				}
				_, err := fmt.Fprintf(w, "%s  %-8s attempt %d%s\n", clockTime(at), e.Status, e.Attempt, note)
				return err
			})
			if err != nil {
				return goesOn(ctx, err, "the execution goes on: simplane exec watch %s follows it again", args[0])
			}
			if o.output == formatTable && len(a.Value.Output) > 0 {
				if err := printJSON(w, a.Value.Output); err != nil {
					return err
				}
			}
			return failedExecution(a.Value.Invocation)
		}),
	}
}

// printLine writes JSON on one line.
func printLine(w io.Writer, raw []byte) error {
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return err
	}
	b.WriteByte('\n')
	_, err := b.WriteTo(w)
	return err
}

func execListCommand(o *clientOptions) *cobra.Command {
	var s client.Search
	var since, before string
	cmd := &cobra.Command{
		Use: "list", Short: "List executions that are still kept, newest first", Args: noArgs,
		Annotations: namesToo,
		RunE: calling(o, func(ctx context.Context, c *client.Client, cmd *cobra.Command, _ []string) error {
			s.Status = strings.ToLower(s.Status)
			for name := range strings.SplitSeq(s.Status, ",") {
				if s.Status != "" && !slices.Contains(statuses, name) {
					return usageErrorf("--status: must be one of %s, or several with commas between, not %q", strings.Join(statuses, ", "), name)
				}
			}
			if s.Limit < 1 {
				return usageErrorf("--limit: must be at least 1, not %d", s.Limit)
			}
			for _, bound := range []struct {
				flag, text string
				at         *int64
			}{{"--since", since, &s.SinceMillis}, {"--before", before, &s.BeforeMillis}} {
				if bound.text == "" {
					continue
				}
				at, err := parseTime(bound.text)
				if err != nil {
					return usageErrorf("%s: %w", bound.flag, err)
				}
				*bound.at = at
			}
			a, err := c.Executions(ctx, s)
			if err != nil {
				return err
			}
			var ids []string
			for _, e := range a.Value.Executions {
				ids = append(ids, e.ExecutionID)
			}
			if done, err := o.structured(cmd.OutOrStdout(), a.Raw, ids...); done {
				return err
			}
			return printExecutions(cmd.OutOrStdout(), o, a.Value)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&s.Function, "function", "", "only those of this function")
	f.StringVar(&s.Status, "status", "", "only those in this status: "+strings.Join(statuses, ", ")+"; or in several, with commas between")
	f.StringVar(&s.Code, "code", "", "only those that failed with this error code")
	f.StringVar(&s.Key, "key", "", "only those submitted with this idempotency key")
	f.IntVar(&s.Limit, "limit", 50, "at most so many")
	f.StringVar(&s.Cursor, "cursor", "", "go on where an earlier list was cut")
	f.StringVar(&since, "since", "", "only those created at this `time` or later: such as 2026-01-31T12:00:00Z, or milliseconds since 1970")
	f.StringVar(&before, "before", "", "only those created before: `time` such as 2026-01-31T12:00:00Z, or milliseconds since 1970")
	_ = cmd.RegisterFlagCompletionFunc("function", completeFunction(o))
	_ = cmd.RegisterFlagCompletionFunc("status", cobra.FixedCompletions(statuses, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func parseTime(text string) (int64, error) {
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil && ms > 0 {
		return ms, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0, fmt.Errorf("%q is neither a time such as 2026-01-31T12:00:00Z nor milliseconds since 1970", text)
	}
	return at.UnixMilli(), nil
}

func printExecutions(w io.Writer, o *clientOptions, list client.Executions) error {
	if err := executionTable(o, list.Executions).print(w); err != nil {
		return err
	}
	if list.NextCursor != "" {
		_, err := fmt.Fprintf(w, "(there may be more: --cursor %s)\n", list.NextCursor)
		return err
	}
	return nil
}

// executionTable has one line for each execution: 80 columns, or with -o wide all
// that a list knows.
func executionTable(o *clientOptions, list []client.Execution) *table {
	if o.wide() {
		t := newTable("ID", "FUNCTION", "STATUS", "ATTEMPT", "CREATED", "WAITED", "RAN", "ERROR").cut("ERROR")
		for _, e := range list {
			t.row(e.ExecutionID, e.FunctionName, e.Status, strconv.Itoa(e.Attempt), clockTime(e.CreatedAtMillis),
				span(e.CreatedAtMillis, firstTime(e.StartedAtMillis, e.FinishedAtMillis)), span(e.StartedAtMillis, e.FinishedAtMillis), errorText(e))
		}
		return t
	}
	t := newTable("ID", "FUNCTION", "STATUS", "AGE", "RAN", "ERROR").cut("ERROR", "FUNCTION")
	for _, e := range list {
		t.row(e.ExecutionID, e.FunctionName, e.Status, age(e.CreatedAtMillis), span(e.StartedAtMillis, e.FinishedAtMillis), errorText(e))
	}
	return t
}

func errorText(e client.Execution) string {
	if e.Error == nil {
		return "-"
	}
	return clipText(e.Error.Code+": "+e.Error.Message, 60)
}
