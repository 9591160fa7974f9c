package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"simplane/sim/scenario"
	"simplane/sim/trace"
)

func simImportCommand() *cobra.Command {
	var (
		inv, dur, mem, trace2021, out string
		o                             trace.Options
	)
	cmd := &cobra.Command{
		Use:   "import-trace",
		Short: "Turn an Azure Functions trace into a scenario",
		Long: "Turn an Azure Functions trace into a scenario: the 2019 layout with --inv and --dur\n" +
			"(and --mem), or the 2021 layout with --trace-2021. The times of the 2021 layout's calls,\n" +
			"and many functions' counts, go into a file beside the scenario. What of the trace is not\n" +
			"in it, or not as it was, is told in notes.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case out == "":
				return usageErrorf("--out is missing; name the scenario file to write")
			case trace2021 == "" && (inv == "" || dur == ""):
				return usageErrorf("give --inv and --dur, or --trace-2021")
			case trace2021 != "" && inv+dur+mem != "":
				return usageErrorf("--trace-2021 goes without --inv, --dur and --mem")
			case o.Within != "uniform" && o.Within != "poisson":
				return usageErrorf("--within %q: use uniform or poisson", o.Within)
			case o.Functions < 0:
				return usageErrorf("--functions %d: use 0 for all, or more", o.Functions)
			}
			if o.Name == "" {
				o.Name = strings.TrimSuffix(filepath.Base(out), filepath.Ext(out))
			}
			o.File = out
			var (
				im  *trace.Import
				err error
			)
			if trace2021 != "" {
				im, err = trace.Azure2021(trace2021, o)
			} else {
				im, err = trace.Azure2019(inv, dur, mem, o)
			}
			if err != nil {
				return &exitError{code: 2, err: err}
			}
			if err := keepsInputs(out, im.Scenario, trace2021, inv, dur, mem); err != nil {
				return err
			}
			if err := scenario.WriteFiles(out, im.Scenario, im.Comment()); err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			for _, n := range im.Notes {
				fmt.Fprintf(w, "note: %s\n", n)
			}
			_, err = fmt.Fprintf(w, "%s: %s\n", out, im.Scenario.Description)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&inv, "inv", "", "2019: invocations per minute (CSV)")
	f.StringVar(&dur, "dur", "", "2019: duration percentiles (CSV)")
	f.StringVar(&mem, "mem", "", "2019: memory (CSV); only noted in a comment")
	f.StringVar(&trace2021, "trace-2021", "", "2021: one row an invocation (CSV)")
	f.StringVar(&out, "out", "", "scenario file to write")
	f.StringVar(&o.Within, "within", "uniform", "arrivals inside a minute: uniform or poisson")
	f.StringVar(&o.Name, "name", "", "name of the scenario; the file's by default")
	f.Uint64Var(&o.Seed, "seed", 1, "seed of the scenario")
	f.IntVar(&o.Functions, "functions", 0, "keep only this many functions, the busiest; 0 = all")
	return cmd
}

// keepsInputs is an error if writing the scenario, or a file beside it, would
// overwrite a file of the trace.
func keepsInputs(out string, sc *scenario.Scenario, inputs ...string) error {
	written := map[string]bool{out: true}
	for i := range sc.Load {
		if name := sc.Load[i].Arrivals.File; name != "" {
			written[filepath.Join(filepath.Dir(out), name)] = true
		}
	}
	for path := range written {
		there, err := os.Stat(path)
		if err != nil {
			continue // it is not there
		}
		for _, input := range inputs {
			if of, err := os.Stat(input); err == nil && os.SameFile(there, of) {
				return usageErrorf("%s is of the trace, and would be overwritten; give another --out", input)
			}
		}
	}
	return nil
}
