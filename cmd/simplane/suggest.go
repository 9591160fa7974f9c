package main

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"simplane/core/strictyaml"
	"simplane/server/client"
)

// suggestionPatience is how long a failed command may ask the server for a
// better name.
const suggestionPatience = 2 * time.Second

// didYouMean is "; did you mean X?" with the known word nearest to a misspelt
// one, or nothing when none is near.
func didYouMean(word string, known []string) string {
	if near := strictyaml.Nearest(word, known); strings.Contains(near, "did you mean") {
		return near
	}
	return ""
}

// subcommandNames are the names by which a command's own ones are called.
func subcommandNames(cmd *cobra.Command) (names []string) {
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(append(names, c.Name()), c.Aliases...)
		}
	}
	return names
}

// flagError makes a wrong flag a usage error that says what was probably meant.
func flagError(cmd *cobra.Command, err error) error {
	hint := ""
	var unknown *pflag.NotExistError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "":
		var known []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				known = append(known, f.Name)
			}
		})
		if near := didYouMean(unknown.GetSpecifiedName(), known); near != "" {
			hint = strings.Replace(near, `"`, `"--`, 1)
		}
	case errors.As(err, &invalid):
		if unit := missingUnit(invalid.GetFlag(), invalid.GetValue()); unit != "" {
			return usageErrorf("--%s: %s (see '%s --help')", invalid.GetFlag().Name, unit, cmd.CommandPath())
		}
	}
	return usageErrorf("%v%s (see '%s --help')", err, hint, cmd.CommandPath())
}

// suggestFunction adds to the error about an unknown function the name of a
// similar one, when the server has it and says so soon.
func suggestFunction(ctx context.Context, c *client.Client, err error) error {
	var answer *client.Error
	if !errors.As(err, &answer) || answer.Status != http.StatusNotFound || answer.Function == "" {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, suggestionPatience)
	defer cancel()
	hint := didYouMean(answer.Function, functionNames(ctx, c, nil))
	found := strconv.Quote(answer.Function) + " not found"
	return &exitError{code: 1, err: errors.New(strings.Replace(err.Error(), found, found+hint, 1))}
}
