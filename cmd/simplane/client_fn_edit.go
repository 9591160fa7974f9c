package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"simplane/server/client"
	"simplane/server/client/specfile"
)

func fnEditCommand(o *clientOptions) *cobra.Command {
	return &cobra.Command{
		Use: "edit NAME", Short: "Change a function's spec in an editor", Args: exactArgs("NAME"),
		Long: "Change a function's spec in the editor that $VISUAL or $EDITOR names (vi when\n" +
			"neither does). When what was written cannot be applied, or somebody else has\n" +
			"changed the function meanwhile, nothing is changed and the edited file is kept.",
		ValidArgsFunction: completeFunction(o),
		RunE: calling(o, func(ctx context.Context, c *client.Client, cmd *cobra.Command, args []string) error {
			have, err := c.Function(ctx, args[0])
			if err != nil {
				return err
			}
			file, before, err := specToEdit(have.Raw)
			if err != nil {
				return err
			}
			if err := runEditor(file); err != nil {
				return fmt.Errorf("nothing was changed: the editor: %w; what was edited is kept in %s", err, file)
			}
			p, err := applyEdited(ctx, c, have.Value.Name, have.Value.Generation, file, before, &have)
			if err != nil {
				return fmt.Errorf("nothing was changed: %w; what was edited is kept in %s: correct it and run `simplane fn apply -f %s`", err, file, file)
			}
			if err := os.Remove(file); err != nil {
				return err
			}
			return reportApplied(cmd, o, []*applied{p}, false)
		}),
	}
}

// specToEdit writes a spec into a new file that only its owner can read: values
// of env are often secrets.
func specToEdit(raw []byte) (file string, text []byte, err error) {
	var b bytes.Buffer
	if raw, err = specfile.Registered(raw); err == nil {
		err = specfile.WriteYAML(&b, raw)
	}
	if err != nil {
		return "", nil, err
	}
	f, err := os.CreateTemp("", "simplane-*.yaml") // mode 0600
	if err != nil {
		return "", nil, err
	}
	_, err = f.Write(b.Bytes())
	if closing := f.Close(); err == nil {
		err = closing
	}
	return f.Name(), b.Bytes(), err
}

// runEditor has the shell split the editor's command line, as others do: it may
// have options of its own.
func runEditor(file string) error {
	editor := exec.Command("sh", "-c", firstOf(os.Getenv("VISUAL"), os.Getenv("EDITOR"), "vi")+` "$1"`, "simplane", file)
	editor.Stdin, editor.Stdout, editor.Stderr = os.Stdin, os.Stdout, os.Stderr
	return editor.Run()
}

// applyEdited puts the edited spec in force if the function is still at the
// generation that was edited.
func applyEdited(ctx context.Context, c *client.Client, name string, generation uint64, file string, before []byte, have *functionAnswer) (*applied, error) {
	p := &applied{Function: name, Result: resultUnchanged}
	text, err := os.ReadFile(file)
	if err != nil || bytes.Equal(text, before) {
		return p, err
	}
	specs, err := specfile.Load(file, text)
	switch {
	case err != nil:
		return nil, usageErrorf("%w", err)
	case len(specs) != 1 || specs[0].Resolved.Name != name:
		return nil, usageErrorf("%s: the file must hold one function, %q: functions cannot be renamed", file, name)
	}
	for _, d := range specfile.Diff(&have.Value, specs[0].Resolved) {
		p.Differences = append(p.Differences, d.String())
	}
	if len(p.Differences) == 0 {
		return p, nil
	}
	p.Result = resultChanged
	_, err = c.Replace(ctx, name, specs[0].Body, generation)
	if client.IsStatus(err, http.StatusConflict) {
		err = fmt.Errorf("%s was changed by somebody else meanwhile, or cannot be changed so: %w", name, err)
	}
	return p, err
}
