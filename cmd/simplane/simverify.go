package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/spf13/cobra"

	"simplane/sim"
	"simplane/sim/scenario"
)

func simVerifyCommand() *cobra.Command {
	var (
		golden string
		update bool
	)
	cmd := &cobra.Command{
		Use:   "verify SCENARIO...",
		Short: "Run each scenario twice, and with GOMAXPROCS 1 and N, and compare the event logs",
		Args:  someArgs("scenario"),
		RunE: func(cmd *cobra.Command, args []string) error {
			scenarios, err := readScenarios(cmd, args)
			if err != nil {
				return err
			}
			if golden == "" {
				golden = filepath.Join(filepath.Dir(args[0]), "golden.txt")
			}
			records, err := sim.ReadGolden(golden)
			if err != nil {
				return usageErrorf("%v", err)
			}
			failed := false
			for _, sc := range scenarios {
				r, same, err := verifyOne(cmd, sc)
				if err != nil {
					return err
				}
				failed = failed || !same
				if update {
					records[sc.Name] = sim.NewGolden(r)
				} else if g, ok := records[sc.Name]; ok {
					diff, err := g.Explain(r, func(from, to int64) (*sim.Result, error) {
						return sim.Run(sc, sim.Options{KeepFrom: from, KeepTo: to})
					})
					if err != nil {
						return err
					}
					if diff != "" {
						fmt.Fprintf(cmd.OutOrStdout(), "%sif the change is meant, refresh with --update-golden\n", diff)
						failed = true
					}
				}
			}
			if update {
				if err := sim.WriteGolden(golden, records); err != nil {
					return err
				}
			}
			if failed {
				return silentExit(1)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&golden, "golden", "", "golden records to compare with; golden.txt beside the first scenario by default")
	cmd.Flags().BoolVar(&update, "update-golden", false, "write the golden records instead of comparing")
	return cmd
}

// verifyOne compares two runs in this process and two in child processes:
// those have other GOMAXPROCS, other addresses and other map seeds.
func verifyOne(cmd *cobra.Command, sc *scenario.Scenario) (*sim.Result, bool, error) {
	first, diff, err := sim.RunTwice(sc)
	if err != nil {
		return nil, false, err
	}
	out := cmd.OutOrStdout()
	if diff != nil {
		fmt.Fprintf(out, "%s: two runs in one process differ\n%v\n", sc.Name, diff)
		return first, false, nil
	}
	if !first.Holds() {
		fmt.Fprintf(out, "%s: repeatable, but a check or invariant fails; see 'sim run'\n", sc.Name)
	}
	same := true
	for _, procs := range []int{1, max(2, runtime.NumCPU())} {
		child, err := runInChild(cmd, sc, procs)
		if err != nil {
			return nil, false, err
		}
		if child.Digest != first.Digest {
			same = false
			fmt.Fprintf(out, "%s: with GOMAXPROCS=%d the digest is %s (%d events), here %s (%d events); compare the logs that 'sim run --out' writes\n",
				sc.Name, procs, child.Digest, child.Events, first.Digest, first.Events)
		}
	}
	if same {
		fmt.Fprintf(out, "%s  %s: 4 runs alike (GOMAXPROCS %d, 1 and %d), %d events\n",
			first.Digest, sc.Name, runtime.GOMAXPROCS(0), max(2, runtime.NumCPU()), first.Events)
	}
	return first, same, nil
}

type childResult struct {
	Digest string `json:"digest"`
	Events int64  `json:"events"`
}

func runInChild(cmd *cobra.Command, sc *scenario.Scenario, procs int) (*childResult, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	child := exec.CommandContext(cmd.Context(), self, "sim", "run", "--format", "json", sc.File)
	child.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(procs))
	var stderr bytes.Buffer
	child.Stderr = &stderr
	stdout, err := child.Output()
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) { // 1: a check failed, which is not the question
		return nil, fmt.Errorf("%s with GOMAXPROCS=%d: %w: %s", sc.Name, procs, err, bytes.TrimSpace(stderr.Bytes()))
	}
	var r childResult
	if err := json.Unmarshal(stdout, &r); err != nil {
		return nil, fmt.Errorf("%s with GOMAXPROCS=%d: %w", sc.Name, procs, err)
	}
	return &r, nil
}
