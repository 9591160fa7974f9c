package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"simplane/server"
)

func journalCommand() *cobra.Command {
	cmd := group("journal", "Look into a data directory", journalCheckCommand(), journalExportCommand())
	cmd.Long = "Read the journal of a data directory (serve --data-dir) that no server uses.\nNothing is changed."
	return cmd
}

func journalCheckCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "check DIR",
		Short: "Read everything and say what is there, and what cannot be read",
		Args:  oneDirectory,
		RunE: func(cmd *cobra.Command, args []string) error {
			report, err := server.CheckJournal(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			if asJSON {
				enc := json.NewEncoder(w)
				enc.SetIndent("", "  ")
				if err := enc.Encode(report); err != nil {
					return err
				}
			} else {
				printReport(w, report)
			}
			return unreadable(report)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	return cmd
}

func printReport(w io.Writer, r *server.JournalReport) {
	fmt.Fprintf(w, "%d facts, %d bytes\n", r.Facts, r.Bytes)
	for _, kind := range slices.Sorted(maps.Keys(r.ByKind)) {
		fmt.Fprintf(w, "  %-13s %d\n", kind, r.ByKind[kind])
	}
	if r.Newest != "" {
		fmt.Fprintf(w, "newest: %s\n", r.Newest)
	}
	for _, p := range r.Problems {
		fmt.Fprintln(w, "unreadable: "+p)
	}
}

func journalExportCommand() *cobra.Command {
	payloads := false
	cmd := &cobra.Command{
		Use:   "export DIR",
		Short: "Print every readable fact, one JSON object a line",
		Long: "Print every fact that is readable, one JSON object a line. What callers and\n" +
			"functions wrote, idempotency keys and specs (their env may hold secrets) are\n" +
			"left out unless --payloads asks for them.",
		Args: oneDirectory,
		RunE: func(cmd *cobra.Command, args []string) error {
			w := bufio.NewWriter(cmd.OutOrStdout())
			report, err := server.ExportJournal(cmd.Context(), args[0], w, payloads)
			if err := errors.Join(err, w.Flush()); err != nil {
				return err
			}
			return unreadable(report)
		},
	}
	cmd.Flags().BoolVar(&payloads, "payloads", false, "print specs, keys, inputs, outputs and error texts too")
	return cmd
}

// unreadable makes the command fail when something cannot be read.
func unreadable(r *server.JournalReport) error {
	switch n := len(r.Problems); n {
	case 0:
		return nil
	case 1:
		return errors.New("a part of the journal cannot be read: " + r.Problems[0])
	default:
		return fmt.Errorf("parts of the journal cannot be read: %s, and %d more", r.Problems[0], n-1)
	}
}

func oneDirectory(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageErrorf("give one data directory, the one of serve --data-dir")
	}
	return nil
}
