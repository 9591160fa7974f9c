package server

import (
	"testing"

	"github.com/spf13/pflag"
)

func TestEveryFlagHasOneSubject(t *testing.T) {
	times := map[string]int{}
	for _, names := range subjectFlags {
		for _, name := range names {
			times[name]++
		}
	}
	NewSettings(pflag.NewFlagSet("serve", pflag.ContinueOnError)).flags.VisitAll(func(f *pflag.Flag) {
		if times[f.Name] != 1 {
			t.Errorf("--%s is in %d subjects", f.Name, times[f.Name])
		}
		delete(times, f.Name)
	})
	for name := range times {
		t.Errorf("--%s has a subject and is no flag", name)
	}
	if len(subjectFlags) != len(Subjects) {
		t.Errorf("%d subjects, flags of %d", len(Subjects), len(subjectFlags))
	}
}
