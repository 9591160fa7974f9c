package main

import (
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"simplane/server"
)

// plainHelp has --help show flags as people write them: no "[=true|false]"
// behind a switch, text wrapped to the terminal, flags by subject where they have
// one.
func plainHelp(root *cobra.Command) {
	cobra.AddTemplateFunc("flagUsages", flagUsages)
	was := root.UsageTemplate()
	for _, set := range []string{".LocalFlags", ".InheritedFlags"} {
		was = strings.ReplaceAll(was, set+".FlagUsages | trimTrailingWhitespaces", "flagUsages "+set+" | trimTrailingWhitespaces")
	}
	root.SetUsageTemplate(was)
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
