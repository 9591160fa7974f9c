package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"simplane/server/client"
)

// submissionFlags are what invoke and enqueue share.
type submissionFlags struct {
	data, key, trace string
	timeout          time.Duration
	metadata         []string
}

func (s *submissionFlags) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&s.data, "data", "d", "", "input: `JSON`, @file or - for standard input (default: standard input when it is no terminal, else {})")
	f.StringVar(&s.key, "idempotency-key", "", "a second call with the same `key` gets the first one's execution")
	f.StringVar(&s.trace, "trace-id", "", "trace `id` that is passed on to the function")
	f.DurationVar(&s.timeout, "timeout", 0, "timeout of this call, such as 5s (default: the function's)")
	f.StringArrayVar(&s.metadata, "metadata", nil, "`key=value` for the function; may be repeated")
}

// submission reads and checks what is to be sent.
func (s *submissionFlags) submission(cmd *cobra.Command) (client.Submission, error) {
	out := client.Submission{Timeout: s.timeout, IdempotencyKey: s.key, TraceID: s.trace}
	if cmd.Flags().Changed("timeout") && s.timeout <= 0 {
		return out, usageErrorf("--timeout: must be greater than 0, not %s", s.timeout)
	}
	for _, pair := range s.metadata {
		k, v, ok := strings.Cut(pair, "=")
		if !ok || k == "" {
			return out, usageErrorf("--metadata: expected key=value, not %q", pair)
		}
		if out.Metadata == nil {
			out.Metadata = map[string]string{}
		}
		out.Metadata[k] = v
	}
	text, from := []byte(s.data), "--data"
	var err error
	switch {
	case !cmd.Flags().Changed("data"):
		from = "standard input"
		if text, err = pipedInput(cmd, "--data '{}'"); len(bytes.TrimSpace(text)) == 0 {
			text = []byte("{}")
		}
	case s.data == "-":
		from = "standard input"
		text, err = readInput(cmd, "-")
	case strings.HasPrefix(s.data, "@"):
		from = s.data[1:]
		text, err = readInput(cmd, from)
	}
	if err != nil {
		return out, err
	}
	var syntax *json.SyntaxError
	if err := json.Unmarshal(text, &out.Input); errors.As(err, &syntax) {
		line := 1 + strings.Count(string(text[:min(int(syntax.Offset), len(text))]), "\n")
		hint := ""
		if from == "--data" {
			hint = ` (a string needs its own quotes: --data '"text"')`
		}
		return out, usageErrorf("%s:%d: not valid JSON: %v%s", from, line, err, hint)
	}
	return out, nil
}

func invokeCommand(o *clientOptions) *cobra.Command {
	var s submissionFlags
	cmd := &cobra.Command{
		Use: "invoke NAME", Short: "Run a function and print its output", Args: exactArgs("NAME"),
		Annotations:       namesToo,
		ValidArgsFunction: completeFunction(o),
		RunE: calling(o, func(ctx context.Context, c *client.Client, cmd *cobra.Command, args []string) error {
			in, err := s.submission(cmd)
			if err != nil {
				return err
			}
			a, err := c.Invoke(ctx, args[0], in)
			if err != nil {
				return goesOn(ctx, err, "a call that has begun goes on, one that still waits is not begun: simplane exec list --function %s shows it", args[0])
			}
			return printResult(cmd.OutOrStdout(), o, a.Value, a.Raw)
		}),
	}
	s.bind(cmd)
	return cmd
}

func enqueueCommand(o *clientOptions) *cobra.Command {
	var s submissionFlags
	var wait bool
	cmd := &cobra.Command{
		Use: "enqueue NAME", Short: "Hand work to a function's queue and print the execution's id", Args: exactArgs("NAME"),
		Annotations:       namesToo,
		ValidArgsFunction: completeFunction(o),
		RunE: calling(o, func(ctx context.Context, c *client.Client, cmd *cobra.Command, args []string) error {
			in, err := s.submission(cmd)
			if err != nil {
				return err
			}
			a, err := c.Enqueue(ctx, args[0], in)
			switch {
			case err != nil:
				return err
			case wait:
				e, err := c.Wait(ctx, a.Value.ExecutionID, nil)
				if err != nil {
					err = fmt.Errorf("execution %s: %w", a.Value.ExecutionID, err)
					return goesOn(ctx, err, "it goes on: simplane exec watch %s follows it", a.Value.ExecutionID)
				}
				return printResult(cmd.OutOrStdout(), o, e.Value.Invocation, e.Raw)
			}
			if done, err := o.structured(cmd.OutOrStdout(), a.Raw, a.Value.ExecutionID); done {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), a.Value.ExecutionID)
			return err
		}),
	}
	s.bind(cmd)
	cmd.Flags().BoolVar(&wait, "wait", false, "wait for the end and print the output")
	return cmd
}

// printResult prints an ended execution: its output, or all of the answer as
// JSON. An execution that did not succeed makes the command fail.
func printResult(w io.Writer, o *clientOptions, i client.Invocation, raw []byte) error {
	done, err := o.structured(w, raw, i.ExecutionID)
	if !done && len(i.Output) > 0 {
		err = printJSON(w, i.Output)
	}
	if err != nil {
		return err
	}
	return failedExecution(i)
}

// failedExecution is the error of an execution that did not succeed.
func failedExecution(i client.Invocation) error {
	switch {
	case i.Status == "success":
		return nil
	case i.Error != nil:
		return fmt.Errorf("execution %s ended in %s: %s (%s)", i.ExecutionID, i.Status, i.Error.Message, i.Error.Code)
	case i.Ended():
		return fmt.Errorf("execution %s ended in %s", i.ExecutionID, i.Status)
	}
	return fmt.Errorf("execution %s is still %s", i.ExecutionID, i.Status)
}
