package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"simplane/server/client"
	"simplane/server/client/specfile"
)

func fnRevisionsCommand(o *clientOptions) *cobra.Command {
	return &cobra.Command{
		Use: "revisions NAME", Short: "List the specs that a function has had, newest first", Args: exactArgs("NAME"),
		ValidArgsFunction: completeFunction(o),
		RunE: calling(o, func(ctx context.Context, c *client.Client, cmd *cobra.Command, args []string) error {
			a, err := c.Revisions(ctx, args[0])
			if err != nil {
				return err
			}
			if done, err := o.structured(cmd.OutOrStdout(), a.Raw); done {
				return err
			}
			t := newTable("GENERATION", "SINCE", "WHO", "CHANGES").cut("CHANGES", "WHO")
			for i, r := range a.Value {
				what := "-"
				if i+1 < len(a.Value) {
					what = firstOf(strings.Join(differences(a.Value[i+1], r), ", "), "none")
				}
				if r.Restores > 0 {
					what = fmt.Sprintf("as %d: %s", r.Restores, what)
				}
				if r.Failed {
					what = "failed rollout: " + what
				}
				t.row(strconv.FormatUint(r.Generation, 10), o.when(r.At.UnixMilli()), r.Who, clipText(what, 100))
			}
			return t.print(cmd.OutOrStdout())
		}),
	}
}

func differences(from, to client.Revision) (all []string) {
	for _, d := range specfile.Diff(&from.Spec, &to.Spec) {
		all = append(all, d.String())
	}
	return all
}

func fnRollbackCommand(o *clientOptions) *cobra.Command {
	var to uint64
	cmd := &cobra.Command{
		Use: "rollback NAME", Short: "Put an earlier spec of a function in force again", Args: exactArgs("NAME"),
		Long: "Put an earlier spec of a function in force again, as a change of its own: the one\n" +
			"before the present one, or that of the generation that --to names. Specs whose\n" +
			"rollout failed are passed over. What was before a spec that a rollback has put in\n" +
			"force is what was before it the first time: rolling back twice goes back twice.",
		ValidArgsFunction: completeFunction(o),
		RunE: calling(o, func(ctx context.Context, c *client.Client, cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("to") && to == 0 {
				return usageErrorf("--to: must be a generation that `simplane fn revisions %s` lists, not 0", args[0])
			}
			list, err := c.Revisions(ctx, args[0])
			switch {
			case err != nil:
				return err
			case to == 0 && len(list.Value) < 2:
				return fmt.Errorf("%s has had one spec only: there is nothing to roll back to", args[0])
			case to == 0:
				if to = before(list.Value); to == 0 {
					return fmt.Errorf("%s: no spec is kept that was in force before the present one and whose rollout did not fail; `simplane fn revisions %s` lists those that are kept, for --to", args[0], args[0])
				}
			}
			now := list.Value[0]
			if to == now.Generation {
				return reportRollback(cmd, o, args[0], to, now.Generation, nil)
			}
			// The spec that was looked at is the one that is left.
			a, err := c.Rollback(ctx, args[0], to, now.Generation)
			if err != nil {
				return err
			}
			return reportRollback(cmd, o, args[0], to, a.Value.Generation, differences(now, client.Revision{Spec: a.Value}))
		}),
	}
	cmd.Flags().Uint64Var(&to, "to", 0, "the `generation` to go back to (default: the one before)")
	return cmd
}

// before is the generation to go back to from the newest of some revisions; 0 =
// none is kept.
func before(list []client.Revision) uint64 {
	at := 0
	for list[at].Restores > 0 {
		first := slices.IndexFunc(list, func(r client.Revision) bool { return r.Generation == list[at].Restores })
		if first <= at { // it is not kept any more
			return 0
		}
		at = first
	}
	for _, r := range list[at+1:] {
		if !r.Failed {
			return r.Generation
		}
	}
	return 0
}

func reportRollback(cmd *cobra.Command, o *clientOptions, name string, to, now uint64, changes []string) error {
	w := cmd.OutOrStdout()
	if done, err := o.structuredValue(w, map[string]any{"function": name, "rolledBackTo": to, "generation": now, "differences": append([]string{}, changes...)}); done {
		return err
	}
	if to == now {
		_, err := fmt.Fprintf(w, "%s is at generation %d already\n", name, now)
		return err
	}
	fmt.Fprintf(w, "%s rolled back to the spec of generation %d; now at generation %d\n", name, to, now)
	for _, d := range changes {
		fmt.Fprintf(w, "  %s\n", d)
	}
	return nil
}
