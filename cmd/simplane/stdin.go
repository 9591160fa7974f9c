package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// inputTerminal reports whether standard input is a terminal, from which
// nothing is read unasked.
func inputTerminal(cmd *cobra.Command) bool {
	f, ok := cmd.InOrStdin().(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// inputPatience is how long standard input may be silent before the user is told
// what is waited for.
const inputPatience = 2 * time.Second

// pipedInput reads standard input unless it is a terminal. A pipe that nobody
// closes would have the command wait without a word, so that it says why, and which
// flag makes it unnecessary.
func pipedInput(cmd *cobra.Command, without string) ([]byte, error) {
	if inputTerminal(cmd) {
		return nil, nil
	}
	note := time.AfterFunc(inputPatience, func() {
		fmt.Fprintln(cmd.ErrOrStderr(), "simplane: reading standard input; "+without+" does without")
	})
	defer note.Stop()
	return readInput(cmd, "-")
}
