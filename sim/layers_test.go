package sim

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// files parses the non-test Go files of a directory, by name.
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
		out[path] = f
	}
	return out
}

// calls are the files of a directory that call a method of one of the names.
func calls(t *testing.T, dir string, names []string) (all []string) {
	for path, f := range files(t, dir) {
		ast.Inspect(f, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if sel, ok := call.Fun.(*ast.SelectorExpr); ok && slices.Contains(names, sel.Sel.Name) {
					all = append(all, path+" calls "+sel.Sel.Name)
				}
			}
			return true
		})
	}
	return all
}

var (
	// What reads core's state.
	reads = []string{"Execution", "Gauges", "Unfinished", "QueueDepth", "InFlight", "EffectiveConcurrency", "QueueSize",
		"Spec", "ReadyReplicas", "DesiredReplicas", "Functions", "Search", "DeadLetters"}
	// What changes it.
	drives = []string{"Submit", "Complete", "CompleteByID", "Register", "Delete", "Update", "ReplicasReady", "ReportMetric",
		"SetReplicas", "Drain", "DrainOnce", "Pump", "Redrive", "SetRateMaxPerSecond", "SetSyncQueue"}
)

// TestWorldDecidesNothing: what drives core must not know what core thinks,
// which it would need to decide anything in its place.
func TestWorldDecidesNothing(t *testing.T) {
	for _, call := range calls(t, "internal/world", reads) {
		t.Errorf("%s: only the witness may read core's state", call)
	}
	if len(calls(t, "internal/world", drives)) == 0 {
		t.Error("nothing drives core: this test looks for the wrong names")
	}
}

// TestWitnessOnlyWatches: what keeps the account changes nothing in core. (That
// its checker has no influence is shown by TestReplay, which leaves it out.)
func TestWitnessOnlyWatches(t *testing.T) {
	for _, call := range calls(t, ".", drives) {
		t.Errorf("%s: only the world may drive core", call)
	}
	if len(calls(t, ".", reads)) == 0 {
		t.Error("no reads found: this test looks for the wrong names")
	}
}

// TestOnlyRunReadsTheWallClock: nothing but Result.Wall depends on the machine.
func TestOnlyRunReadsTheWallClock(t *testing.T) {
	var found []string
	for _, dir := range []string{".", "internal/loop", "internal/random", "internal/world", "internal/nodes"} {
		for path, f := range files(t, dir) {
			ast.Inspect(f, func(n ast.Node) bool {
				if sel, ok := n.(*ast.SelectorExpr); ok {
					pkg, ok := sel.X.(*ast.Ident)
					if ok && pkg.Name == "time" && slices.Contains([]string{"Now", "Since", "Sleep", "After", "NewTimer", "NewTicker", "Tick", "AfterFunc"}, sel.Sel.Name) {
						found = append(found, path+" time."+sel.Sel.Name)
					}
				}
				return true
			})
		}
	}
	slices.Sort(found)
	if want := []string{"run.go time.Now", "run.go time.Since"}; !slices.Equal(found, want) {
		t.Errorf("the wall clock is read by %v, want %v (around the run)", found, want)
	}
}
