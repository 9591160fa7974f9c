// Command check runs every scenario of a directory, then a swarm, and says
// what fails first: exit 1 then, 0 when nothing does. The mutants program
// builds it against each broken core.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"simplane/sim"
	"simplane/sim/scenario"
	"simplane/sim/swarm"
)

func main() {
	files, err := filepath.Glob(filepath.Join(os.Args[1], "*.yaml"))
	if err != nil || len(files) == 0 {
		fmt.Println("no scenarios in", os.Args[1])
		os.Exit(2)
	}
	for _, file := range files {
		sc, err := scenario.ReadFile(file)
		if err != nil {
			fmt.Println(err)
			os.Exit(2)
		}
		r, err := sim.Run(sc, sim.Options{})
		if err != nil {
			fmt.Println(err)
			os.Exit(2)
		}
		if v := r.Violation; v != nil {
			fmt.Printf("scenario %s: %s: %s\n", sc.Name, v.Invariant, v.Detail)
		}
		for _, c := range r.Checks {
			if !c.Holds {
				fmt.Printf("scenario %s: %s %s: got %s\n", sc.Name, c.Check, c.Want, c.Got)
			}
		}
		if !r.Holds() {
			os.Exit(1)
		}
	}
	sum, err := swarm.Run(swarm.Options{Start: 1, Seeds: 400, Duration: 30 * time.Second})
	if err != nil {
		fmt.Println(err)
		os.Exit(2)
	}
	for _, f := range sum.Failures {
		fmt.Printf("swarm seed %d: %s: %s\n", f.Seed, f.Violation.Invariant, f.Violation.Detail)
	}
	if len(sum.Failures) > 0 {
		os.Exit(1)
	}
}
