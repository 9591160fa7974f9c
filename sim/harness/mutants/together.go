package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A build takes much longer than most bugs need to be noticed, so there is one for all.
// Of each function that a mutant changes, its package gets a changed copy beside it, and
// the function calls the copy when the environment variable PLANTED has the mutant's
// number. A mutant that changes something else than functions is built by itself.

// plantedSource says which mutant is planted, in each package that has any.
const plantedSource = `
import (
	"os"
	"strconv"
)

var planted, _ = strconv.Atoi(os.Getenv("PLANTED"))
`

// planted is a check program that has many mutants in it.
type planted struct {
	dir, binary string
	numbers     map[string]int // by name; what is not in here is built by itself
}

// plantTogether builds the check program with as many of the mutants as can be. Their texts
// are looked for in the module in from.
func plantTogether(from string, chosen []mutant) (planted, error) {
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return planted{}, err
	}
	p := planted{dir: dir}
	if err := copyModule(dir); err != nil {
		return p, err
	}
	for without := map[string]bool{}; ; {
		if p.numbers, err = plantAll(dir, from, chosen, without); err != nil {
			return p, err
		}
		p.binary, err = buildCheck(dir)
		broken := brokenCopies(dir, err)
		if len(broken) == 0 {
			return p, err
		}
		for name, n := range p.numbers {
			if broken[n] {
				without[name] = true
			}
		}
	}
}

var (
	compileError = regexp.MustCompile(`(?m)^(\S+\.go):(\d+):`)
	plantedCopy  = regexp.MustCompile(`^func .*_planted(\d+)\(`)
)

// brokenCopies are the numbers of the mutants whose copies do not compile.
func brokenCopies(dir string, err error) map[int]bool {
	broken := map[int]bool{}
	if err == nil {
		return broken
	}
	for _, m := range compileError.FindAllStringSubmatch(err.Error(), -1) {
		text, err := os.ReadFile(filepath.Join(dir, m[1]))
		if err != nil {
			continue
		}
		lines := strings.Split(string(text), "\n")
		at, _ := strconv.Atoi(m[2])
		for i := min(at, len(lines)) - 1; i >= 0; i-- {
			if found := plantedCopy.FindStringSubmatch(lines[i]); found != nil {
				n, _ := strconv.Atoi(found[1])
				broken[n] = true
				break
			}
		}
	}
	return broken
}

// plantAll puts what it can of the chosen mutants into the module in dir, and returns their
// numbers in PLANTED; the others have none.
func plantAll(dir, from string, chosen []mutant, without map[string]bool) (map[string]int, error) {
	numbers := map[string]int{}
	originals, edits := map[string][]byte{}, map[string]*plantedFile{}
	for i := range chosen {
		m := &chosen[i]
		if m.interleaved() || m.ofServer() || without[m.name] {
			continue
		}
		path, source, err := find(from, *m)
		if err != nil {
			continue // with tells of it
		}
		if path, err = filepath.Rel(from, path); err != nil {
			return nil, err
		}
		if edits[path] == nil {
			originals[path], edits[path] = source, &plantedFile{calls: map[string][]byte{}}
		}
		n := i + 1
		if edits[path].plant(source, bytes.Replace(source, []byte(m.old), []byte(m.new), 1), n) {
			numbers[m.name] = n
		}
	}
	for path, e := range edits {
		text, err := e.apply(originals[path])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		path = filepath.Join(dir, path)
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return nil, err
		}
		pkg, err := parser.ParseFile(token.NewFileSet(), path, text, parser.PackageClauseOnly)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), "planted.go"), []byte("package "+pkg.Name.Name+"\n"+plantedSource), 0o644); err != nil {
			return nil, err
		}
	}
	return numbers, nil
}

// plantedFile is what is added to a file: to each function that has a changed copy the calls
// of its copies, and the copies.
type plantedFile struct {
	calls  map[string][]byte // by functionKey
	copies []byte
}

// plant adds the functions in which changed differs from source; false when it differs in
// something else, or does not parse.
func (p *plantedFile) plant(source, changed []byte, n int) bool {
	was, rest, err := functions(source)
	if err != nil {
		return false
	}
	is, changedRest, err := functions(changed)
	if err != nil || !bytes.Equal(rest, changedRest) || len(was) != len(is) {
		return false
	}
	for key, f := range is {
		before, ok := was[key]
		if !ok {
			return false
		}
		if bytes.Equal(before.text, f.text) {
			continue
		}
		if before.signature != f.signature || !f.named {
			return false
		}
		copied := fmt.Sprintf("%s_planted%d", f.name, n)
		p.copies = append(p.copies, "\n"...)
		p.copies = append(p.copies, f.text[:f.nameAt]...)
		p.copies = append(p.copies, copied...)
		p.copies = append(p.copies, f.text[f.nameAt+len(f.name):]...)
		p.copies = append(p.copies, '\n')
		p.calls[key] = fmt.Appendf(p.calls[key], "\n\tif planted == %d {\n\t\t%s\n\t}", n, f.call(copied))
	}
	return true
}

// apply is the file with all that is planted in it.
func (p *plantedFile) apply(source []byte) ([]byte, error) {
	fns, _, err := functions(source)
	if err != nil {
		return nil, err
	}
	var at []function
	for key := range p.calls {
		at = append(at, fns[key])
	}
	slices.SortFunc(at, func(a, b function) int { return b.body - a.body })
	for _, f := range at {
		source = slices.Concat(source[:f.body], p.calls[f.key], []byte("\n"), source[f.body:])
	}
	return format.Source(append(source, p.copies...))
}

// function is one that a file declares.
type function struct {
	key, name, signature string
	text                 []byte
	nameAt               int  // in text
	body                 int  // just after its opening brace, in the file
	named                bool // each parameter has a name, and so the receiver
	receiver, arguments  string
	results              bool
}

// call calls a copy with the function's own arguments.
func (f *function) call(copied string) string {
	c := copied + "(" + f.arguments + ")"
	if f.receiver != "" {
		c = f.receiver + "." + c
	}
	if f.results {
		return "return " + c
	}
	return c + "\n\t\treturn"
}

// functions are those of a file with a body, and the rest of it without comments.
func functions(source []byte) (_ map[string]function, rest []byte, err error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "", source, 0)
	if err != nil {
		return nil, nil, err
	}
	at := func(p token.Pos) int { return set.Position(p).Offset }
	all := map[string]function{}
	for _, d := range file.Decls {
		text := source[at(d.Pos()):at(d.End())]
		fd, ok := d.(*ast.FuncDecl)
		if !ok || fd.Body == nil {
			rest = append(append(rest, text...), '\n')
			continue
		}
		f := function{
			name: fd.Name.Name, text: text, nameAt: at(fd.Name.Pos()) - at(fd.Pos()), body: at(fd.Body.Lbrace) + 1,
			signature: string(source[at(fd.Pos()):at(fd.Body.Lbrace)]), named: true, results: fd.Type.Results.NumFields() > 0,
		}
		f.key = f.signature[:strings.Index(f.signature, f.name+"(")+len(f.name)]
		var names []string
		for _, list := range fd.Type.Params.List {
			f.named = f.named && len(list.Names) > 0
			for _, name := range list.Names {
				f.named = f.named && name.Name != "_"
				one := name.Name
				if _, variadic := list.Type.(*ast.Ellipsis); variadic {
					one += "..."
				}
				names = append(names, one)
			}
		}
		f.arguments = strings.Join(names, ", ")
		if fd.Recv != nil {
			if len(fd.Recv.List[0].Names) == 0 {
				f.named = false
			} else {
				f.receiver = fd.Recv.List[0].Names[0].Name
			}
		}
		all[f.key] = f
	}
	return all, rest, nil
}

// buildCheck builds the check program.
func buildCheck(dir string) (binary string, err error) {
	return build(dir, "check.bin", "build", "./sim/harness/mutants/check")
}

// checkPlanted is check by a program that has mutant n in it; 0 is none of them.
func checkPlanted(binary, dir string, n int, limit time.Duration, nodes bool) (verdict, time.Duration, error) {
	t := try(limit, "", []string{fmt.Sprintf("PLANTED=%d", n)}, binary, filepath.Join(dir, "scenarios"), fmt.Sprint(nodes), how)
	v, err := t.judged()
	return v, t.took, err
}
