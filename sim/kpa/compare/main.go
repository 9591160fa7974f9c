// Command compare replays scenarios with simplane's autoscaler and with the
// model of Knative's, and prints both as a Markdown table.
//
//	go run ./sim/kpa/compare [-steps] scenarios/autoscale-*.yaml
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"simplane/sim"
	"simplane/sim/kpa"
	"simplane/sim/scenario"
)

// contender is one way to decide on replicas.
type contender struct {
	name  string
	rival func(*scenario.Function) sim.Rival
}

func modelled(share float64) func(*scenario.Function) sim.Rival {
	return func(f *scenario.Function) sim.Rival {
		return kpa.New(kpa.Defaults(share * float64(f.Scaling.ConcurrencyControl.Target)))
	}
}

// contenders: KPA at the target that simplane is given, and at its default of
// 70 % of a hard limit.
var contenders = []contender{
	{"simplane", nil},
	{"KPA, same target", modelled(1)},
	{"KPA, 70 % of it", modelled(0.7)},
}

func main() {
	steps := flag.Bool("steps", false, "list each change of the wanted number")
	flag.Parse()
	fmt.Println("| scenario | autoscaler | queue wait mean | p99 | e2e p50 | p99 | refused | cold starts | peak | steps | turns | replica seconds |")
	fmt.Println("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
	for _, path := range flag.Args() {
		sc, err := scenario.ReadFile(path)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		for _, c := range contenders {
			if err := row(sc, c, *steps); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
	}
}

func row(sc *scenario.Scenario, c contender, steps bool) error {
	var events bytes.Buffer
	r, err := sim.Run(sc, sim.Options{Events: &events, Rival: c.rival, Unchecked: c.rival != nil})
	if err != nil {
		return err
	}
	for _, f := range r.Functions {
		wanted := changes(&events, f.Name)
		get := func(name string) int64 { return f.Counts.Get(name) }
		fmt.Printf("| %s | %s | %v | %v | %v | %v | %d | %d | %d | %d | %d | %d |\n", sc.Name, c.name,
			ms(f.QueueWait.Mean), ms(f.QueueWait.P99), ms(f.E2E.P50), ms(f.E2E.P99), f.Counts.Rejected(), get("cold_starts"),
			peak(wanted), get("scale_ups")+get("scale_downs"), get("scale_turns"), get("replica_seconds"))
		if steps {
			fmt.Fprintln(os.Stderr, c.name, strings.Join(texts(wanted), " "))
		}
	}
	return nil
}

func ms(ns int64) time.Duration { return time.Duration(ns).Round(time.Millisecond) }

// change is one new number of wanted instances.
type change struct {
	at string // seconds
	n  int
}

func changes(log *bytes.Buffer, function string) (all []change) {
	for line := range strings.Lines(log.String()) {
		var e struct {
			T                       json.Number
			Event, Function, Detail string
		}
		if json.Unmarshal([]byte(line), &e) != nil || e.Event != "scale" || e.Function != function {
			continue
		}
		c := change{at: string(e.T)}
		fmt.Sscan(e.Detail, &c.n)
		all = append(all, c)
	}
	return all
}

func peak(all []change) (n int) {
	for _, c := range all {
		n = max(n, c.n)
	}
	return n
}

func texts(all []change) (out []string) {
	for _, c := range all {
		out = append(out, fmt.Sprintf("%s:%d", c.at, c.n))
	}
	return out
}
