// Command compare replays scenarios with simplane's autoscaler and with the
// model of Knative's, over several seeds, and prints both as a Markdown table.
//
//	go run ./sim/harness/kpa/compare [-seeds 20] [-html FILE] scenarios/autoscale-*.yaml
//
// Of each scenario the first function with scaling is compared. One that scales
// by reported figures (cpu, memory, prometheus) is left out: KPA knows
// concurrency only.
package main

import (
	"flag"
	"fmt"
	"os"

	"simplane/sim"
	"simplane/sim/harness/kpa"
	"simplane/sim/scenario"
)

// contender is one way to decide on replicas.
type contender struct {
	name  string
	rival func(*scenario.Function) sim.Rival // nil: simplane's
}

func model(share float64) func(*scenario.Function) sim.Rival {
	return func(f *scenario.Function) sim.Rival {
		return kpa.New(kpa.Defaults(share * float64(f.Scaling.ConcurrencyControl.Target)))
	}
}

// contenders: KPA at the target that simplane is given, and at its default of
// 70 % of a hard limit.
var contenders = []contender{
	{"simplane", nil},
	{"KPA, same target", model(1)},
	{"KPA, 70 % of it", model(0.7)},
}

func main() {
	seeds := flag.Int("seeds", 20, "runs of each scenario, with seeds from its own on")
	html := flag.String("html", "", "write plots and the table into this `file`")
	flag.Parse()
	if err := compare(flag.Args(), *seeds, *html); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func compare(paths []string, seeds int, html string) error {
	var all []comparison
	for _, path := range paths {
		sc, err := scenario.ReadFile(path)
		if err != nil {
			return err
		}
		if scalesByReports(sc) {
			fmt.Fprintf(os.Stderr, "%s: left out: it scales by reported figures, and the model of KPA by concurrency only\n", sc.Name)
			continue
		}
		c := comparison{Scenario: sc.Name, Description: sc.Description}
		for _, who := range contenders {
			f, err := measure(*sc, who, seeds)
			if err != nil {
				return err
			}
			c.Figures = append(c.Figures, f)
		}
		all = append(all, c)
	}
	printTable(os.Stdout, all)
	if html == "" {
		return nil
	}
	return writePage(html, all, seeds)
}

func scalesByReports(sc *scenario.Scenario) bool {
	for i := range sc.Functions {
		if f := &sc.Functions[i]; f.Scaled() {
			return f.ScalesByReports()
		}
	}
	return false
}
