package node

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Program runs what a program of a harness is for, until it is done or the program
// is interrupted, prints the report and writes it as JSON to the file out, unless
// that is "". ok says whether the report is one to be content with. Program returns
// the exit code: 0 if so, else 1.
func Program[R fmt.Stringer](name, out string, run func(context.Context) (R, error), ok func(R) bool) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r, err := run(ctx)
	if err == nil {
		fmt.Print(r)
		if out != "" {
			err = writeJSON(out, r)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, name+":", err)
		return 1
	}
	if !ok(r) {
		return 1
	}
	return 0
}

func writeJSON(file string, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(raw, '\n'), 0o644)
}
