package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"simplane/server/client"
	"simplane/server/client/specfile"
)

// applied is what becomes of one spec.
type applied struct {
	Function    string   `json:"function"`
	Result      string   `json:"result"`
	Differences []string `json:"differences,omitempty"`

	spec specfile.Spec
	seen uint64 // the generation that the function was found at; 0 = there was none
}

// What becomes of a spec.
const (
	resultCreated    = "created"
	resultChanged    = "changed"
	resultUnchanged  = "unchanged"
	resultRolledBack = "rolled back" // it is as it was
	resultFailed     = "failed"
	resultNotTried   = "not tried" // something before it failed
)

func fnApplyCommand(o *clientOptions) *cobra.Command {
	var files []string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "apply -f FILE...",
		Short: "Create functions, or change them in place, as files say",
		Long: "Create functions, or change them in place, as YAML or JSON files say. -f is a\n" +
			"file, a folder (its *.yaml, *.yml and *.json), or - for standard input, and can\n" +
			"be given several times; without it standard input is read. A file holds one function, several documents separated\n" +
			"by ---, or a list, such as `fn list -o yaml` and `fn export` print.\n\n" +
			"A function that is the same is left alone. One that differs is changed in place:\n" +
			"its queued work, dead letters and history stay. Everything is read and checked\n" +
			"before the first change; when the server refuses one, those before it are rolled\n" +
			"back.",
		Args:        noArgs,
		Annotations: namesToo,
		RunE: calling(o, func(ctx context.Context, c *client.Client, cmd *cobra.Command, _ []string) error {
			if len(files) == 0 {
				text, err := pipedInput(cmd, "-f FILE")
				switch {
				case err != nil:
					return err
				case len(bytes.TrimSpace(text)) == 0:
					return usageErrorf("--file is missing: which spec is to be applied?")
				}
				cmd.SetIn(bytes.NewReader(text))
				files = []string{"-"}
			}
			specs, err := readSpecs(cmd, files)
			if err != nil {
				return err
			}
			plan, err := planApply(ctx, c, specs)
			if err != nil {
				return err
			}
			var failure error
			if !dryRun {
				failure = carryOut(ctx, c, plan)
			}
			if err := reportApplied(cmd, o, plan, dryRun); err != nil {
				return err
			}
			return failure
		}),
	}
	cmd.Flags().StringArrayVarP(&files, "file", "f", nil, "spec `file`, folder, or -; can be given several times")
	cmd.Flags().Bool("replace", false, "no longer needed: functions are always changed in place")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be done")
	return cmd
}

// planApply compares each spec with what the server has. What cannot be done is
// reported for all of them, and nothing has been changed then.
func planApply(ctx context.Context, c *client.Client, specs []specfile.Spec) ([]*applied, error) {
	plan := []*applied{}
	var problems []error
	for _, spec := range specs {
		p := &applied{Function: spec.Resolved.Name, Result: resultCreated, spec: spec}
		plan = append(plan, p)
		have, err := c.Function(ctx, p.Function)
		switch {
		case client.IsStatus(err, http.StatusNotFound):
			continue
		case err != nil:
			return nil, fmt.Errorf("%s: %w", specPlace(spec), err)
		}
		p.seen = have.Value.Generation
		for _, d := range specfile.Diff(&have.Value, spec.Resolved) {
			p.Differences = append(p.Differences, d.String())
		}
		p.Result = resultUnchanged
		if len(p.Differences) > 0 {
			p.Result = resultChanged
		}
		if was, is := have.Value.ExecutionMode, spec.Resolved.ExecutionMode; was != is {
			problems = append(problems, fmt.Errorf("%s: executionMode cannot change from %s to %s; delete the function first (simplane fn rm %s), which ends its queued work in error",
				specPlace(spec), was, is, p.Function))
		}
	}
	if len(problems) > 0 {
		return nil, &exitError{code: 1, err: errors.Join(append(problems, errors.New("nothing was changed"))...)}
	}
	return plan, nil
}

// carryOut makes the changes of a plan, in its order. After one that fails,
// those before it are rolled back.
func carryOut(ctx context.Context, c *client.Client, plan []*applied) error {
	for i, p := range plan {
		err := p.do(ctx, c)
		if err == nil {
			continue
		}
		for _, later := range plan[i+1:] {
			if later.Result != resultUnchanged {
				later.Result = resultNotTried
			}
		}
		why := undoApplied(ctx, c, plan[:i+1], err)
		if ctx.Err() != nil {
			err = errors.New("interrupted")
		}
		return fmt.Errorf("%s: %w; %s", specPlace(p.spec), err, why)
	}
	return nil
}

// do makes one change, if the function is still as it was found.
func (p *applied) do(ctx context.Context, c *client.Client) error {
	var err error
	switch p.Result {
	case resultCreated: // not by PUT, which would change a function that has just come
		_, err = c.Register(ctx, p.spec.Body)
	case resultChanged:
		_, err = c.Replace(ctx, p.Function, p.spec.Body, p.seen)
	}
	return err
}

func reportApplied(cmd *cobra.Command, o *clientOptions, plan []*applied, dryRun bool) error {
	var names []string
	for _, p := range plan {
		names = append(names, p.Function)
	}
	if done, err := o.structuredValue(cmd.OutOrStdout(), plan, names...); done {
		return err
	}
	for _, p := range plan {
		note := ""
		if dryRun && p.Result != resultUnchanged {
			note = " (dry run: nothing done)"
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s %s%s\n", p.Function, p.Result, note)
		for _, d := range p.Differences {
			fmt.Fprintf(cmd.OutOrStdout(), "  %s\n", d)
		}
	}
	return nil
}
