package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	inlineMake  = regexp.MustCompile("`make ([a-z][a-z0-9-]*)")
	commandMake = regexp.MustCompile(`^make ([a-z][a-z0-9-]*)`)
	commentMake = regexp.MustCompile(`[#:] +make ([a-z][a-z0-9-]*)`)
	targetLine  = regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):([^=]|$)`)
)

// Every make target that a page, or a file of docs/deploy, names is in the Makefile.
func TestMakeTargets(t *testing.T) {
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]bool{}
	for _, m := range targetLine.FindAllSubmatch(makefile, -1) {
		targets[string(m[1])] = true
	}
	named := map[string]string{}
	read := func(path string) {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		page, code := strings.HasSuffix(path, ".md"), false
		for line := range strings.Lines(string(raw)) {
			forms := []*regexp.Regexp{inlineMake}
			switch {
			case page && strings.HasPrefix(line, "```"):
				code = !code
			case !page:
				forms = append(forms, commentMake)
			case code:
				forms = append(forms, commandMake)
			}
			for _, form := range forms {
				for _, m := range form.FindAllStringSubmatch(line, -1) {
					named[m[1]] = path
				}
			}
		}
	}
	read("../README.md")
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && (strings.HasSuffix(path, ".md") || strings.HasPrefix(path, "deploy")) {
			read(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, known := range []string{"run", "test", "image", "build-full", "kube-test"} { // of each form
		if named[known] == "" {
			t.Errorf("no page names make %s: the test does not see it", known)
		}
	}
	for target, path := range named {
		if !targets[target] {
			t.Errorf("%s names make %s, which the Makefile does not have", path, target)
		}
	}
}
