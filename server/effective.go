package server

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"simplane/core/strictyaml"
	"simplane/server/internal/jetstream"
)

// Effective is one setting as serve would have it.
type Effective struct {
	Key    string `json:"key"`
	Value  string `json:"value"` // of a secret "(hidden)"
	Source string `json:"source"`
}

// Default reports whether nothing has set it.
func (e Effective) Default() bool { return e.Source == sourceDefault }

// Sources that are no flag, variable or line of a file.
const (
	sourceDefault = "default"
	hidden        = "(hidden)"
)

// Effective lists all settings after Load, sorted by key, each with the place that
// its value comes from. Secrets are hidden.
func (s *Settings) Effective() []Effective {
	var all []Effective
	s.flags.VisitAll(func(f *pflag.Flag) {
		if !s.isSetting(f.Name) {
			return
		}
		e := Effective{camelCase(f.Name), f.Value.String(), sourceDefault}
		if from, given := s.origin[f.Name]; given {
			e.Source = from
		}
		if f.Name == otlpEndpointFlag {
			e.Value = s.Config.tracesURL()
		}
		if f.Name == "cluster" || f.Name == "cluster-system" {
			e.Value = jetstream.Redacted(e.Value)
		}
		if tokenFlags[f.Name] && e.Value != "" {
			e.Value = hidden
		}
		all = append(all, e)
	})
	slices.SortFunc(all, func(a, b Effective) int { return strings.Compare(a.Key, b.Key) })
	return all
}

// isSetting tells the flags of a Config from those of the command.
func (s *Settings) isSetting(name string) bool { return s.own[name] && name != "config" }

// changesAtRunTime are the flags whose new values a reload puts in force.
func changesAtRunTime(name string) bool {
	return name == "rate-max-per-second" || strings.HasPrefix(name, "sync-queue-") || tokenFlags[name] || tokenFlags[strings.TrimSuffix(name, "-file")]
}

// NeedRestart names the settings that are others in next than in s, and that a
// running server does not change.
func (s *Settings) NeedRestart(next *Settings) (keys []string) {
	s.flags.VisitAll(func(f *pflag.Flag) {
		if s.isSetting(f.Name) && !changesAtRunTime(f.Name) && f.Value.String() != next.flags.Lookup(f.Name).Value.String() {
			keys = append(keys, camelCase(f.Name))
		}
	})
	return keys
}

// otherVariables are those with simplane's prefix that are no settings: what the
// client reads, what simplane gives to its own processes, and what its tests read.
var otherVariables = []string{"SERVER", "TOKEN", "TOKEN_FILE", "CONTEXT", "CONTEXTS", "CONFIG", "INSTANCE", "INSTANCE_TOKEN", "GUARD",
	"TIMER_SLACK", "CHROMIUM", "SHOTS"}

// serviceVariable matches what Kubernetes puts into the environment of every pod
// for a service whose name begins with simplane.
var serviceVariable = regexp.MustCompile(`^SIMPLANE_([A-Z0-9_]+_)?(SERVICE_(HOST|PORT)(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// CheckEnvironment finds variables with simplane's prefix that are no settings: as
// with keys of the file they are nearly always typing mistakes. environ is that of
// os.Environ.
func (s *Settings) CheckEnvironment(environ []string) error {
	known := map[string]bool{}
	var names []string
	add := func(name string) { known[name], names = true, append(names, name) }
	s.flags.VisitAll(func(f *pflag.Flag) {
		if s.own[f.Name] {
			add(envName(f.Name))
		}
	})
	for _, name := range otherVariables {
		add("SIMPLANE_" + name)
	}
	var errs []error
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, "SIMPLANE_") || known[name] || serviceVariable.MatchString(name) {
			continue
		}
		near := strictyaml.Nearest(name, names)
		if !strings.Contains(near, "did you mean") {
			near = "; see 'simplane serve --help' for the settings"
		}
		errs = append(errs, fmt.Errorf("environment variable %s: no such setting%s", name, near))
	}
	return errors.Join(errs...)
}

// invalidValue says why a flag does not take a text.
func invalidValue(f *pflag.Flag, text string, err error) string {
	if f.Value.Type() == "duration" {
		if unit := MissingUnit(text); unit != "" {
			return unit
		}
	}
	if err != nil {
		return fmt.Sprintf("%q is not valid (%s): %v", text, f.Usage, err)
	}
	return fmt.Sprintf("%q is not valid (%s)", text, f.Usage)
}
