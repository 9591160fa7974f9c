// Command simplane runs the control plane, replays scenarios and load-tests
// functions. This package parses flags and wires the parts together; the
// logic lives in core, server, sim and bench.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

func main() { os.Exit(execute()) }

// execute runs the command line of this process and returns its exit code.
func execute() int {
	secretsShown = hideSecrets()
	return run(os.Args[1:])
}

// run executes one command line and returns the process exit code:
// 0 success, 1 failure, 2 usage or invalid input.
func run(args []string) int {
	return runWith(args, os.Stdin, os.Stdout, os.Stderr)
}

func runWith(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	stdout, stderr = onTerminal(stdout), onTerminal(stderr)
	defer flushScreen(stdout)
	defer flushScreen(stderr)
	root := rootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.Execute()
	if err == nil {
		return 0
	}
	if msg := err.Error(); msg != "" {
		// One line, whatever the cause looked like.
		fmt.Fprintln(stderr, "simplane: "+oneLine(strings.ReplaceAll(strings.TrimSpace(msg), "\n", "; ")))
	}
	var coded *exitError
	if errors.As(err, &coded) {
		return coded.code
	}
	return 1
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "simplane",
		Short:         "A function-invocation control plane, its simulator and its load tester",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArgs,
	}
	// Not cobra's Version, which says more than versionText.
	showVersion := root.Flags().BoolP("version", "v", false, "version for simplane")
	root.RunE = func(cmd *cobra.Command, _ []string) error {
		if *showVersion {
			return printVersion(cmd)
		}
		return cmd.Help()
	}
	root.SetFlagErrorFunc(flagError)
	plainHelp(root)
	root.AddCommand(serveCommand())
	root.AddCommand(simCommand())
	root.AddCommand(benchCommand())
	root.AddCommand(journalCommand())
	root.AddCommand(recordCommand())
	root.AddCommand(versionCommand())
	root.AddCommand(contextCommand())
	addClientCommands(root)
	root.AddCommand(completionCommand(root))
	return root
}

// noArgs rejects stray positional arguments as a usage error.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.HasSubCommands() {
		return usageErrorf("unknown command %q for %q%s (see '%s --help')", args[0], cmd.CommandPath(), didYouMean(args[0], subcommandNames(cmd)), cmd.CommandPath())
	}
	return usageErrorf("unexpected argument %q for %q (see '%s --help')", args[0], cmd.CommandPath(), cmd.CommandPath())
}
