package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// ofOthers are flags of other programs that the documentation names.
var ofOthers = map[string]bool{
	"now": true, "system": true, "home": true, "shell": true, "format": true, "filter": true,
	"man": true, "build-arg": true, "tag": true, "from": true, "chown": true, "cgroupns": true, "interval": true, "start-period": true, "user": true,
}

var (
	mentioned = regexp.MustCompile("(?:^|[\\s`\"'(\\[])--([a-z][a-z0-9-]*[a-z0-9])(?:[^a-z0-9-]|$)")
	otherTool = regexp.MustCompile(`^\s*(?:\$ |# +)?(?:docker|kubectl|helm|systemctl|useradd|curl|go|apt|ssh|podman|jq|perf|git|openssl)\b|docker |kubectl `)
)

// Every option that the documentation names is one of some command.
func TestOptionsInTheDocumentationExist(t *testing.T) {
	known := map[string]bool{"help": true, "version": true}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		for _, set := range []*pflag.FlagSet{c.LocalFlags(), c.PersistentFlags(), c.InheritedFlags()} {
			set.VisitAll(func(f *pflag.Flag) { known[f.Name] = true })
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(rootCommand())
	var pages []string
	for _, pattern := range []string{"../../README.md", "../../docs/*.md", "../../docs/deploy/*", "../../docs/deploy/chart/*.yaml", "../../docs/deploy/chart/templates/*"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		pages = append(pages, found...)
	}
	seen := 0
	for _, page := range pages {
		if filepath.Base(page) == "CHANGELOG.md" {
			continue // it is about earlier ones, too
		}
		raw, err := os.ReadFile(page)
		if err != nil {
			continue // a directory
		}
		for i, line := range strings.Split(string(raw), "\n") {
			if otherTool.MatchString(line) {
				continue
			}
			for _, m := range mentioned.FindAllStringSubmatch(line, -1) {
				seen++
				if !known[m[1]] && !ofOthers[m[1]] {
					t.Errorf("%s:%d: there is no option --%s", page, i+1, m[1])
				}
			}
		}
	}
	if seen < 100 {
		t.Errorf("only %d options were found", seen)
	}
}
