package core

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Core is a state machine without I/O. These are the ways out that it must not
// take; the simulator's promise (equal seed, equal run) rests on it.
func TestCoreHasNoIO(t *testing.T) {
	allowed := map[string]bool{
		"bytes": true, "cmp": true, "container/heap": true, "iter": true, "crypto/sha256": true, "encoding/binary": true, "errors": true, "fmt": true, "hash/fnv": true, "maps": true, "math": true, "math/bits": true, "net/url": true, "reflect": true, "regexp": true, "slices": true,
		"strings": true, "strconv": true, "simplane/core/concurrent": true, "sync": true, "sync/atomic": true, "time": true, "unicode/utf8": true, "unsafe": true, "github.com/google/uuid": true,
		"hash/maphash": false, // seeded anew in every process
	}
	// Of package time only the arithmetic.
	timeNames := map[string]bool{"Duration": true, "Nanosecond": true, "Microsecond": true, "Millisecond": true, "Second": true, "Minute": true, "Hour": true}
	uuidNames := map[string]bool{"UUID": true, "Parse": true}
	// Package-level variables that are never changed.
	constants := map[string]bool{"namePattern": true, "eventNames": true, "factNames": true, "stepNames": true, "reasons": true, "Limits": true}

	files := token.NewFileSet()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		seen++
		for _, imp := range file.Imports {
			if path, _ := strconv.Unquote(imp.Path.Value); !allowed[path] {
				t.Errorf("%s: imports %s", files.Position(imp.Pos()), path)
			}
		}
		for _, decl := range file.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.VAR {
				continue
			}
			for _, s := range gen.Specs {
				for _, name := range s.(*ast.ValueSpec).Names {
					if !constants[name.Name] && !strings.HasPrefix(strings.ToLower(name.Name), "err") {
						t.Errorf("%s: package-level variable %s", files.Position(name.Pos()), name.Name)
					}
				}
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: starts a goroutine", files.Position(n.Pos()))
			case *ast.SelectorExpr:
				pkg, ok := n.X.(*ast.Ident)
				if !ok || pkg.Obj != nil {
					return true
				}
				if (pkg.Name == "time" && !timeNames[n.Sel.Name]) || (pkg.Name == "uuid" && !uuidNames[n.Sel.Name]) {
					t.Errorf("%s: uses %s.%s", files.Position(n.Pos()), pkg.Name, n.Sel.Name)
				}
			}
			return true
		})
	}
	if seen < 20 {
		t.Fatalf("looked at %d files only", seen)
	}
}
