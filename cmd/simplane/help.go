package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"simplane/server"
)

// plainHelp has --help show flags as people write them: no "[=true|false]"
// behind a switch, text wrapped to the terminal, flags by subject where they have
// one. It is a function and not one of cobra's templates: with a template the linker
// keeps every exported method in the program.
func plainHelp(root *cobra.Command) {
	root.SetUsageFunc(func(cmd *cobra.Command) error {
		_, err := io.WriteString(cmd.OutOrStderr(), usage(cmd))
		return err
	})
}

// usage is everything below a command's description.
func usage(cmd *cobra.Command) string {
	blocks := []string{"Usage:\n" + usageLines(cmd)}
	if len(cmd.Aliases) > 0 {
		blocks = append(blocks, "Aliases:\n  "+cmd.NameAndAliases())
	}
	if cmd.HasExample() {
		blocks = append(blocks, "Examples:\n"+cmd.Example)
	}
	rest := "Available Commands:"
	for _, group := range cmd.Groups() {
		blocks = append(blocks, subcommands(cmd, group.ID, group.Title))
		rest = "Additional Commands:"
	}
	blocks = append(blocks, subcommands(cmd, "", rest))
	if cmd.HasAvailableLocalFlags() {
		blocks = append(blocks, "Flags:\n"+flagUsages(cmd.LocalFlags()))
	}
	if cmd.HasAvailableInheritedFlags() {
		blocks = append(blocks, "Global Flags:\n"+flagUsages(cmd.InheritedFlags()))
	}
	if cmd.HasAvailableSubCommands() {
		blocks = append(blocks, fmt.Sprintf("Use %q for more information about a command.", cmd.CommandPath()+" [command] --help"))
	}
	blocks = slices.DeleteFunc(blocks, func(block string) bool { return block == "" })
	for i := range blocks {
		blocks[i] = strings.TrimRightFunc(blocks[i], unicode.IsSpace)
	}
	return strings.Join(blocks, "\n\n") + "\n"
}

func usageLines(cmd *cobra.Command) string {
	var lines []string
	if cmd.Runnable() {
		lines = append(lines, "  "+cmd.UseLine())
	}
	if cmd.HasAvailableSubCommands() {
		lines = append(lines, "  "+cmd.CommandPath()+" [command]")
	}
	return strings.Join(lines, "\n")
}

// subcommands lists those of a group; "" when there are none.
func subcommands(cmd *cobra.Command, group, title string) string {
	var b strings.Builder
	for _, sub := range cmd.Commands() {
		if sub.GroupID == group && (sub.IsAvailableCommand() || sub.Name() == "help") {
			fmt.Fprintf(&b, "\n  %-*s %s", sub.NamePadding(), sub.Name(), sub.Short)
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return title + b.String()
}

// flagUsages describes flags, those of a subject together.
func flagUsages(flags *pflag.FlagSet) string {
	bySubject := map[string]*pflag.FlagSet{}
	flags.VisitAll(func(f *pflag.Flag) {
		subject := strings.Join(f.Annotations[server.SubjectAnnotation], "")
		if bySubject[subject] == nil {
			bySubject[subject] = pflag.NewFlagSet("", pflag.ContinueOnError)
		}
		shown := *f
		if f.Value.Type() == "bool" {
			shown.Value = switchValue{f.Value}
		}
		bySubject[subject].AddFlag(&shown)
	})
	width := helpWidth()
	if len(bySubject) == 1 && bySubject[""] != nil {
		return bySubject[""].FlagUsagesWrapped(width)
	}
	if last := bySubject[server.SubjectRest]; last != nil {
		last.AddFlagSet(bySubject[""])
	}
	var b strings.Builder
	for _, subject := range server.Subjects {
		if set := bySubject[subject]; set != nil {
			b.WriteString("\n " + subject + ":\n" + set.FlagUsagesWrapped(width))
		}
	}
	return b.String()
}

// switchValue hides from pflag that a value is a switch, and with it the
// "[=true|false]" of its help.
type switchValue struct{ pflag.Value }

// helpWidth is where help is wrapped.
func helpWidth() int {
	if width, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil && width > 0 {
		return min(max(width, 60), 110)
	}
	return 80
}
