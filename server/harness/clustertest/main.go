// Command clustertest has something happen to the nodes of a cluster under load, one
// thing after another, and reconciles what was acknowledged with what is there
// afterwards:
//
//	go run ./server/harness/clustertest --faults kill,stop,pause,cut,oneway,full --rounds 5
//
// Each node is a process with the engine embedded. cut, oneway and full need the
// rights of root: nodes have network namespaces of their own then.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"simplane/server/harness/node"
)

type options struct {
	Nodes, Workers, Rounds int
	Faults                 []string
	Calm                   time.Duration // between two faults
	Pace                   time.Duration // between two requests of a caller, on average
	Seed                   uint64
	Shape                  string // one of shapes
	Progress               io.Writer
}

func main() {
	opt := options{Progress: os.Stderr}
	faults, out := "", ""
	flag.StringVar(&faults, "faults", "kill,stop,pause", "what happens, comma-separated: kill, stop, roll (each is stopped), pause, cut, oneway, full")
	flag.StringVar(&opt.Shape, "shape", "mixed", "what callers ask for: "+shapeNames())
	flag.IntVar(&opt.Rounds, "rounds", 1, "how often each happens")
	flag.IntVar(&opt.Nodes, "nodes", 3, "number of nodes")
	flag.IntVar(&opt.Workers, "workers", 32, "callers at once")
	flag.DurationVar(&opt.Calm, "calm", 3*time.Second, "time between two faults")
	flag.DurationVar(&opt.Pace, "pace", 0, "time between two requests of a caller, on average: what is acknowledged is kept, and takes longer to read the more it is")
	flag.Uint64Var(&opt.Seed, "seed", 1, "seed of the load and the choice of nodes")
	flag.StringVar(&out, "out", "", "write the report as JSON to this `file`, too")
	flag.Parse()
	if _, known := shapes[opt.Shape]; !known {
		fmt.Fprintf(os.Stderr, "clustertest: --shape: there is no %q; use one of %s\n", opt.Shape, shapeNames())
		os.Exit(2)
	}
	opt.Faults = strings.Split(faults, ",")
	for _, f := range opt.Faults {
		if _, known := actions[f]; !known {
			fmt.Fprintf(os.Stderr, "clustertest: --faults: there is no %q\n", f)
			os.Exit(2)
		}
	}
	if flag.NArg() > 0 || opt.Nodes < 3 || opt.Rounds < 1 || opt.Workers < 1 || opt.Pace < 0 {
		fmt.Fprintln(os.Stderr, "clustertest: no arguments are taken; --nodes must be at least 3, --rounds and --workers at least 1, --pace not below 0")
		os.Exit(2)
	}
	os.Exit(node.Program("clustertest", out, func(ctx context.Context) (*report, error) { return clustertest(ctx, opt) },
		func(r *report) bool { return len(r.Wrong) == 0 }))
}
