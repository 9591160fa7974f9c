// Package docs_test holds the documentation against the code.
package docs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "simplane/"

// pkg is what `go list -json` says of a package.
type pkg struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	list := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	list.Dir = ".."
	var stderr bytes.Buffer
	list.Stderr = &stderr
	raw, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var found []pkg
	for d := json.NewDecoder(bytes.NewReader(raw)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return found
		} else if err != nil {
			t.Fatal(err)
		}
		found = append(found, p)
	}
}

// drawn are the arrows of architecture.md: the block marked "arrows", one
// package on a line, and after "->" those of this module that it imports.
func drawn(t *testing.T) map[string]bool {
	t.Helper()
	page, err := os.ReadFile("architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(page), "```arrows\n")
	block, _, ended := strings.Cut(block, "```")
	if !found || !ended {
		t.Fatal("architecture.md has no block of arrows")
	}
	arrows := map[string]bool{}
	for line := range strings.Lines(block) {
		from, to, ok := strings.Cut(strings.TrimSpace(line), " -> ")
		if !ok {
			t.Errorf("not an arrow: %q", line)
			continue
		}
		for name := range strings.SplitSeq(to, ",") {
			arrow := from + " -> " + strings.TrimSpace(name)
			if arrows[arrow] {
				t.Errorf("drawn twice: %s", arrow)
			}
			arrows[arrow] = true
		}
	}
	return arrows
}

// TestArrows: each import within this module is an arrow of architecture.md,
// and each arrow is an import. Tests may import more.
func TestArrows(t *testing.T) {
	arrows := drawn(t)
	imports := 0
	for _, p := range packages(t) {
		for _, to := range p.Imports {
			if !strings.HasPrefix(to, module) {
				continue
			}
			imports++
			arrow := strings.TrimPrefix(p.ImportPath, module) + " -> " + strings.TrimPrefix(to, module)
			if !arrows[arrow] {
				t.Errorf("an import without an arrow in architecture.md: %s", arrow)
			}
			delete(arrows, arrow)
		}
	}
	for arrow := range arrows {
		t.Errorf("an arrow without an import: %s", arrow)
	}
	if imports == 0 {
		t.Error("no imports found: this test looks at the wrong module")
	}
}

// TestLayers: what no arrow may ever say, for tests too.
func TestLayers(t *testing.T) {
	never := map[string][]string{
		"core":  {"server", "sim", "bench", "cmd"},
		"sim":   {"server", "cmd"},
		"bench": {"cmd", "server/internal", "server/provider"},
		// Virtual time knows nothing of functions.
		"sim/internal/loop": {"core", "bench", "sim/internal/world", "sim/scenario"},
		// Harnesses may look at a server from outside; it knows none of them.
		"server": {"sim", "cmd"},
	}
	below := func(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }
	for _, p := range packages(t) {
		path := strings.TrimPrefix(p.ImportPath, module)
		for _, to := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			to, ours := strings.CutPrefix(to, module)
			if !ours {
				continue
			}
			for room, forbidden := range never {
				for _, f := range forbidden {
					if below(path, room) && below(to, f) {
						t.Errorf("%s imports %s", path, to)
					}
				}
			}
		}
		for _, to := range p.Imports {
			to = strings.TrimPrefix(to, module)
			if below(to, "server/harness") && !below(path, "server/harness") {
				t.Errorf("%s imports %s, a harness, outside of its tests", path, to)
			}
		}
	}
}
