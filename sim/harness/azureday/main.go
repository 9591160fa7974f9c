// Command azureday generates a day in the layout of the Azure Functions 2019 data
// set, as large as the published ones, has simplane import and run it, and says what
// that took: the time on the clock, the processor time, and the most memory.
//
//	go run ./sim/harness/azureday -binary bin/simplane [-functions 40000] [-invocations 10000000]
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	d := day{minutes: 1440}
	flag.IntVar(&d.functions, "functions", 40_000, "how many")
	flag.IntVar(&d.invocations, "invocations", 10_000_000, "about how many of them in the day")
	flag.Float64Var(&d.undocumented, "undocumented", 0.015, "share of functions without durations")
	flag.Uint64Var(&d.seed, "seed", 1, "of what is generated")
	binary := flag.String("binary", "bin/simplane", "the simplane to measure")
	dir := flag.String("dir", "", "directory for the files, which stay; by default one that is removed")
	flag.Parse()
	if err := measure(&d, *binary, *dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func measure(d *day, binary, dir string) error {
	if dir == "" {
		tmp, err := os.MkdirTemp("", "azureday")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp)
		dir = tmp
	}
	f, made, err := d.write(dir)
	if err != nil {
		return err
	}
	fmt.Printf("generated: %d functions, %d without durations, %d invocations\n", made.rows, made.withoutDurations, made.invocations)
	sc := filepath.Join(dir, "day.yaml")
	out, err := child(binary, "sim", "import-trace", "--inv", f.invocations, "--dur", f.durations, "--mem", f.memory, "--out", sc)
	if err != nil {
		return err
	}
	fmt.Print(indented(out))
	if out, err = child(binary, "sim", "run", "--format", "json", sc); err != nil {
		return err
	}
	var r struct {
		Counts map[string]struct{ Offered, Success int }
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		return err
	}
	total := r.Counts["total"]
	fmt.Printf("  %d functions, %d offered of %d, %d succeeded\n", len(r.Counts)-1, total.Offered, made.counted, total.Success)
	if total.Offered != made.counted {
		return fmt.Errorf("%d invocations of functions with durations were generated, and %d arrive", made.counted, total.Offered)
	}
	return nil
}

// child runs a command and says what it took.
func child(binary string, args ...string) (string, error) {
	cmd := exec.Command(binary, args...)
	cmd.Stderr = os.Stderr
	began := time.Now()
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", binary, strings.Join(args, " "), err, out)
	}
	wall := time.Since(began)
	used, _ := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	fmt.Printf("%s: %.1f s, user %.1f s, system %.1f s, most memory %.2f GiB\n", strings.Join(args[:2], " "), wall.Seconds(),
		cmd.ProcessState.UserTime().Seconds(), cmd.ProcessState.SystemTime().Seconds(), float64(used.Maxrss)/(1<<20))
	return string(out), nil
}

func indented(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ") + "\n"
}
