package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"simplane/core/strictyaml"
	"simplane/server/client/specfile"
)

// specEndings are those of the files that are read in a folder.
var specEndings = []string{".yaml", ".yml", ".json"}

// readSpecs reads the function specs of files, of the folders among them, and
// of standard input for "-". Every mistake in any of them is reported, and a
// function that is given twice is one.
func readSpecs(cmd *cobra.Command, names []string) ([]specfile.Spec, error) {
	files, err := specFiles(names)
	if err != nil {
		return nil, err
	}
	var specs []specfile.Spec
	var problems []error
	for _, file := range files {
		shown := file
		if file == "-" {
			shown = "(standard input)"
		}
		text, err := readInput(cmd, file)
		if err != nil {
			return nil, err
		}
		found, err := specfile.Load(shown, text)
		if err != nil {
			problems = append(problems, err)
		}
		specs = append(specs, found...)
	}
	if len(problems) == 0 {
		if err := specfile.Twice(specs); err != nil {
			problems = append(problems, err)
		}
	}
	if len(problems) > 0 {
		return nil, usageErrorf("%w", errors.Join(problems...))
	}
	return specs, nil
}

// specFiles are the files that names stand for: those in a folder, but not
// below it, by name.
func specFiles(names []string) ([]string, error) {
	var files []string
	for _, name := range names {
		info, err := os.Stat(name)
		switch {
		case name == "-" && slices.Contains(files, "-"):
			return nil, usageErrorf("--file - is given twice: there is one standard input")
		case name == "-" || err == nil && !info.IsDir():
			files = append(files, name)
			continue
		case err != nil:
			return nil, usageErrorf("%w", err)
		}
		entries, err := os.ReadDir(name) // sorted
		if err != nil {
			return nil, usageErrorf("%w", err)
		}
		before := len(files)
		for _, e := range entries {
			if !e.IsDir() && slices.Contains(specEndings, filepath.Ext(e.Name())) {
				files = append(files, filepath.Join(name, e.Name()))
			}
		}
		if len(files) == before {
			return nil, usageErrorf("%s: no spec in this folder: its files must end in .yaml, .yml or .json", name)
		}
	}
	return files, nil
}

// readInput reads a file, or standard input for "-".
func readInput(cmd *cobra.Command, file string) ([]byte, error) {
	in := cmd.InOrStdin()
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, usageErrorf("%w", err)
		}
		defer f.Close()
		in = f
	}
	raw, err := io.ReadAll(io.LimitReader(in, strictyaml.MaxBytes+1))
	if err != nil {
		return nil, usageErrorf("%w", err)
	}
	if len(raw) > strictyaml.MaxBytes {
		return nil, usageErrorf("%s: larger than %d MiB", file, strictyaml.MaxBytes>>20)
	}
	return raw, nil
}

// specPlace is where a spec is, for messages.
func specPlace(s specfile.Spec) string {
	return fmt.Sprintf("%s:%d: %s", s.File, s.Line, s.Resolved.Name)
}
