package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"simplane/server/client"
	"simplane/server/client/specfile"
	"simplane/server/funcspec"
)

type functionAnswer = client.Answer[funcspec.Spec]

func fnExportCommand(o *clientOptions) *cobra.Command {
	return &cobra.Command{
		Use: "export [NAME...]", Short: "Print specs for `fn apply`: those named, or all",
		Long: "Print the specs of the functions named, or of all, as YAML documents that\n" +
			"`fn apply -f` takes. Generations, which count a server's changes, are left out.\n" +
			"Values of env are printed as they are.",
		ValidArgsFunction: completeFunctions(o),
		RunE: calling(o, func(ctx context.Context, c *client.Client, cmd *cobra.Command, args []string) error {
			raws, err := specsOf(ctx, c, args)
			if err != nil {
				return err
			}
			for i := range raws {
				if raws[i], err = specfile.Registered(raws[i]); err != nil {
					return err
				}
			}
			if o.output == formatYAML {
				o.output = formatTable // the same documents
			}
			if done, err := o.structuredValue(cmd.OutOrStdout(), raws); done {
				return err
			}
			if len(raws) == 0 {
				return printValue(cmd.OutOrStdout(), raws)
			}
			for i, raw := range raws {
				if i > 0 {
					fmt.Fprintln(cmd.OutOrStdout(), "---")
				}
				if err := specfile.WriteYAML(cmd.OutOrStdout(), raw); err != nil {
					return err
				}
			}
			return nil
		}),
	}
}

// specsOf gets the specs of the functions named, or of all.
func specsOf(ctx context.Context, c *client.Client, names []string) ([]json.RawMessage, error) {
	raws := []json.RawMessage{}
	if len(names) == 0 {
		all, err := c.Functions(ctx)
		if err != nil {
			return nil, err
		}
		err = json.Unmarshal(all.Raw, &raws)
		return raws, err
	}
	for _, name := range names {
		a, err := c.Function(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		raws = append(raws, a.Raw)
	}
	return raws, nil
}
