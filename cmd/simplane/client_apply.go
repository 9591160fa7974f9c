package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"simplane/server/client"
	"simplane/server/client/specfile"
)

// applied is what became of one spec.
type applied struct {
	Function    string   `json:"function"`
	Result      string   `json:"result"` // created, unchanged, replaced or differs
	Differences []string `json:"differences,omitempty"`
}

func fnApplyCommand(o *clientOptions) *cobra.Command {
	var file string
	var replace, dryRun bool
	cmd := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Register the functions of a YAML or JSON file",
		Long: "Register the functions of a YAML or JSON file (- is standard input; documents\n" +
			"of YAML are separated by ---). A function that exists and is the same is left\n" +
			"alone. One that differs is reported with its differences; --replace deletes and\n" +
			"re-creates it, which ends its queued work in error.",
		Args: noArgs,
		RunE: calling(o, func(ctx context.Context, c *client.Client, cmd *cobra.Command, _ []string) error {
			if file == "" {
				return usageErrorf("--file is missing: which spec is to be applied?")
			}
			text, err := readInput(cmd, file)
			if err != nil {
				return err
			}
			shown := file
			if file == "-" {
				shown = "(standard input)"
			}
			specs, err := specfile.Load(shown, text)
			if err != nil {
				return usageErrorf("%w", err)
			}
			return applySpecs(ctx, c, cmd, o, specs, replace, dryRun)
		}),
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "spec `file`, or -")
	cmd.Flags().BoolVar(&replace, "replace", false, "delete and re-create functions that differ")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be done")
	return cmd
}

// applySpecs applies each spec and reports on all before it fails.
func applySpecs(ctx context.Context, c *client.Client, cmd *cobra.Command, o *clientOptions, specs []specfile.Spec, replace, dryRun bool) error {
	results := []applied{}
	var differ []string
	var failure error
	for _, spec := range specs {
		r, err := applyOne(ctx, c, spec, replace, dryRun)
		if err != nil {
			failure = fmt.Errorf("%s:%d: %s: %w", spec.File, spec.Line, spec.Resolved.Name, err)
			break
		}
		results = append(results, r)
		if r.Result == "differs" {
			differ = append(differ, r.Function)
		}
	}
	if err := reportApplied(cmd, o, results, dryRun); err != nil {
		return err
	}
	switch {
	case failure != nil:
		return failure
	case len(differ) > 0:
		return fmt.Errorf("%s exists and differs; --replace deletes and re-creates it, which ends its queued work in error", strings.Join(differ, ", "))
	}
	return nil
}

func applyOne(ctx context.Context, c *client.Client, spec specfile.Spec, replace, dryRun bool) (applied, error) {
	r := applied{Function: spec.Resolved.Name, Result: "created"}
	have, err := c.Function(ctx, r.Function)
	switch {
	case client.IsStatus(err, http.StatusNotFound):
	case err != nil:
		return r, err
	default:
		for _, d := range specfile.Diff(&have.Value, spec.Resolved) {
			r.Differences = append(r.Differences, d.String())
		}
		switch {
		case len(r.Differences) == 0:
			r.Result = "unchanged"
			return r, nil
		case !replace:
			r.Result = "differs"
			return r, nil
		}
		r.Result = "replaced"
		if !dryRun {
			if err := c.Delete(ctx, r.Function); err != nil && !client.IsStatus(err, http.StatusNotFound) {
				return r, err
			}
		}
	}
	if dryRun {
		return r, nil
	}
	if _, err = c.Register(ctx, spec.Body); err != nil && r.Result == "replaced" {
		err = fmt.Errorf("deleted, but not created again: %w", err)
	}
	return r, err
}

func reportApplied(cmd *cobra.Command, o *clientOptions, results []applied, dryRun bool) error {
	if o.json() {
		return printValue(cmd.OutOrStdout(), results)
	}
	for _, r := range results {
		note := ""
		if dryRun && (r.Result == "created" || r.Result == "replaced") {
			note = " (dry run: nothing done)"
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s %s%s\n", r.Function, r.Result, note)
		for _, d := range r.Differences {
			fmt.Fprintf(cmd.OutOrStdout(), "  %s\n", d)
		}
	}
	return nil
}
