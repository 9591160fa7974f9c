package main

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"simplane/server/client/specfile"
)

// initFiles are what `fn init` writes.
//
//go:embed initfiles
var initFiles embed.FS

// starter is a function to begin with in one language.
type starter struct {
	from, file string   // in initFiles, and in the new folder
	runtime    string   // runtimeMode
	command    []string // {dir} stands for the folder
	build      string   // shell command that has to come first; {dir}, {name} and {quoted} as above
	also       map[string]string
}

var starters = map[string]starter{
	"python": {from: "function.py", file: "function.py", runtime: "STDIO", command: []string{"python3", "{dir}/function.py"}},
	"node":   {from: "function.mjs", file: "function.mjs", runtime: "STDIO", command: []string{"node", "{dir}/function.mjs"}},
	"go": {from: "main.go.txt", file: "main.go", runtime: "STDIO", command: []string{"{dir}/function"},
		build: "(cd {dir} && go build -o function .)", also: map[string]string{"go.mod": "module function\n\ngo 1.21\n"}},
	"shell": {from: "function.sh", file: "function.sh", runtime: "EXEC", command: []string{"sh", "{dir}/function.sh"}},
}

func starterNames() []string { return slices.Sorted(maps.Keys(starters)) }

func fnInitCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use: "init LANGUAGE NAME", Short: "Write a new function with its spec, and say how to run it", Args: exactArgs("LANGUAGE", "NAME"),
		Long: "Write a new function with its spec into a new folder, and say how to run it.\n" +
			"LANGUAGE is " + strings.Join(starterNames(), ", ") + ". Nothing is sent to a server.",
		Example: "  simplane fn init python hello",
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return starterNames(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			s, ok := starters[strings.ToLower(args[0])]
			if !ok {
				return usageErrorf("LANGUAGE: must be %s, not %q%s", strings.Join(starterNames(), " or "), args[0], didYouMean(args[0], starterNames()))
			}
			at, err := filepath.Abs(firstOf(dir, args[1]))
			if err != nil {
				return err
			}
			if err := s.write(at, args[1]); err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			fmt.Fprintf(w, "%s and %s are in %s. To run it:\n\n", s.file, specName, at)
			quoted := shellWord(at)
			if s.build != "" {
				fmt.Fprintf(w, "  %s\n", strings.ReplaceAll(s.build, "{dir}", quoted))
			}
			fmt.Fprintf(w, "  simplane fn apply -f %s\n  simplane invoke %s --data '{\"name\": \"you\"}'\n  simplane fn logs %s\n", shellWord(filepath.Join(at, specName)), args[1], args[1])
			_, err = fmt.Fprintf(w, "\nAfter a change of %s, `simplane fn apply` sees no difference in the spec:\nraise `env: {REVISION: ...}` in %s, and new processes start with it.\n", s.file, specName)
			return err
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "new `folder` (default: NAME, here)")
	return cmd
}

// specName is what the spec's file is called.
const specName = "function.yaml"

// write makes the folder at and puts all files into it. A spec that the server
// would refuse is refused before.
func (s starter) write(at, name string) error {
	var command []string
	for _, word := range s.command {
		command = append(command, strings.ReplaceAll(word, "{dir}", at))
	}
	commands, err := json.Marshal(command)
	if err != nil {
		return err
	}
	title, err := json.Marshal(name)
	if err != nil {
		return err
	}
	spec := fmt.Sprintf("name: %s\nruntimeMode: %s\ncommands: %s\nimage: none # processes of this machine need none\nenv:\n  REVISION: \"1\"\n", title, s.runtime, commands)
	if _, err := specfile.Load(specName, []byte(spec)); err != nil {
		return usageErrorf("%w", err)
	}
	program, err := initFiles.ReadFile("initfiles/" + s.from)
	if err != nil {
		return err
	}
	files := map[string]string{specName: spec, s.file: string(program)}
	maps.Copy(files, s.also)
	if err := os.Mkdir(at, 0o777); errors.Is(err, fs.ErrExist) {
		return usageErrorf("%s exists already; give another folder with --dir", at)
	} else if err != nil {
		return err
	}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if err := os.WriteFile(filepath.Join(at, file), []byte(files[file]), 0o666); err != nil {
			return err
		}
	}
	return nil
}

// shellWord quotes a text for a shell where it has to be.
func shellWord(text string) string {
	if strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+") == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
