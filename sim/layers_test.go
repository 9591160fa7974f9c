package sim

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// files parses the non-test Go files of a directory.
func files(t *testing.T, dir string) map[string]*ast.File {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no Go files in %s: %v", dir, err)
	}
	out := map[string]*ast.File{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(path)] = f
	}
	return out
}

// TestCoreKnowsNothingOfSim: core must be the same engine in production, so it
// may import nothing of this module, and no random numbers.
func TestCoreKnowsNothingOfSim(t *testing.T) {
	for name, f := range files(t, "../core") {
		for _, i := range f.Imports {
			path := strings.Trim(i.Path.Value, `"`)
			if strings.HasPrefix(path, "simplane/") || strings.HasPrefix(path, "math/rand") {
				t.Errorf("core/%s imports %s", name, path)
			}
		}
	}
}

// TestSimulatorDecidesNothing: the files that drive core may use its public
// methods to bring things about, and nothing that tells them what core thinks,
// which they would need to decide anything in its place. Reading is for those
// that watch: the checker and the checks of a scenario. (That the checker has
// no influence is shown by TestReplay, which leaves it out.)
func TestSimulatorDecidesNothing(t *testing.T) {
	reads := []string{"Execution", "Gauges", "Unfinished", "QueueDepth", "InFlight", "EffectiveConcurrency", "QueueSize", "Functions", "Recent"}
	watchers := []string{"expect.go", "functions.go"} // functions.go: the account the checker starts from
	readers := 0
	for name, f := range files(t, ".") {
		watches := strings.HasPrefix(name, "checker") || slices.Contains(watchers, name)
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !slices.Contains(reads, sel.Sel.Name) {
				return true
			}
			readers++
			if !watches {
				t.Errorf("%s calls %s: only what watches may read core's state", name, sel.Sel.Name)
			}
			return true
		})
	}
	if readers == 0 {
		t.Error("no reads found: this test looks for the wrong names")
	}
}

// TestOnlyRunReadsTheWallClock: nothing but Result.Wall depends on the machine.
func TestOnlyRunReadsTheWallClock(t *testing.T) {
	for name, f := range files(t, ".") {
		ast.Inspect(f, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := sel.X.(*ast.Ident)
			if ok && pkg.Name == "time" && slices.Contains([]string{"Now", "Since", "Sleep", "After", "NewTimer", "NewTicker", "Tick"}, sel.Sel.Name) && name != "engine.go" {
				t.Errorf("%s uses time.%s", name, sel.Sel.Name)
			}
			return true
		})
	}
	source, err := os.ReadFile("engine.go")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), "time.Now()") + strings.Count(string(source), "time.Since("); n != 2 {
		t.Errorf("engine.go reads the wall clock %d times, not twice (around the run)", n)
	}
}
