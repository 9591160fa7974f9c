package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"simplane/server"
)

// pages are the documents whose commands are tested.
func pages(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob("../../docs/*.md")
	must(t, err)
	tasks, err := filepath.Glob("../../docs/tasks/*.md")
	must(t, err)
	return append(append(list, tasks...), "../../README.md", "../../results/README.md")
}

// block is a fenced block of a page.
type block struct {
	info  string // behind the fence
	run   bool   // <!-- run --> is on the line before it
	line  int
	lines []string

	indent string // of the fence
}

func blocksOf(t *testing.T, page string) (all []block) {
	t.Helper()
	raw, err := os.ReadFile(page)
	must(t, err)
	var open *block
	before := ""
	for i, line := range strings.Split(string(raw), "\n") {
		text := strings.TrimSpace(line)
		switch info, fence := strings.CutPrefix(text, "```"); {
		case fence && open != nil:
			all, open = append(all, *open), nil
		case fence:
			open = &block{info: info, run: before == "<!-- run -->", line: i + 1, indent: line[:strings.Index(line, "```")]}
		case open != nil:
			open.lines = append(open.lines, strings.TrimPrefix(line, open.indent))
		}
		before = text
	}
	return all
}

var commandStart = regexp.MustCompile(`(^|[|(;&]|\bsudo )\s*(?:[A-Z_]+=\S+ )*(?:\./)?(?:bin/)?simplane ([a-z].*)`)

// commandsIn are the command lines of simplane in a line of shell, split into
// words.
func commandsIn(line string) (all [][]string) {
	line = strings.TrimPrefix(strings.TrimSpace(line), "$ ")
	for _, part := range regexp.MustCompile(`\s*(?:\||&&|;|\$\(|<\()\s*`).Split(line, -1) {
		if m := commandStart.FindStringSubmatch(part); m != nil {
			all = append(all, shellWords(m[2]))
		}
	}
	return all
}

// shellWords splits as a shell does, as far as documents need it. A remark, a
// redirection and a closing parenthesis end the line.
func shellWords(text string) (words []string) {
	word, in, quote := "", false, rune(0)
	for _, r := range text {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word += string(r)
		case r == '\'' || r == '"':
			quote, in = r, true
		case r == '#' && !in, r == '>' || r == '<' || r == ')':
			if in {
				words = append(words, word)
			}
			return words
		case r == ' ' || r == '\t':
			if in {
				words = append(words, word)
			}
			word, in = "", false
		default:
			word, in = word+string(r), true
		}
	}
	if in {
		words = append(words, word)
	}
	return words
}

var inlineCommand = regexp.MustCompile("`(?:bin/)?simplane ([a-z][^`]*)`")

// Every command of simplane that a document shows exists, with its flags.
func TestCommandsInDocumentsExist(t *testing.T) {
	checked := 0
	for _, page := range pages(t) {
		check := func(line int, args []string) {
			for i, a := range args { // what follows is for the reader to fill in
				if strings.ContainsAny(a, "…|[]()") || a == "\\" {
					args = args[:i]
					break
				}
			}
			if len(args) == 0 {
				return
			}
			checked++
			cmd, rest, err := rootCommand().Find(args)
			if err == nil && cmd.HasSubCommands() && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
				t.Errorf("%s:%d: no such command: simplane %s", page, line, strings.Join(args, " "))
				return
			}
			if err == nil {
				cmd.InitDefaultHelpFlag()
				cmd.InitDefaultVersionFlag()
				err = cmd.ParseFlags(rest)
			}
			if err != nil && !strings.Contains(err.Error(), "flag needs an argument") {
				t.Errorf("%s:%d: simplane %s: %v", page, line, strings.Join(args, " "), err)
			}
		}
		for _, b := range blocksOf(t, page) {
			for i, line := range b.lines {
				for _, args := range commandsIn(line) {
					check(b.line+i+1, args)
				}
			}
		}
		raw, err := os.ReadFile(page)
		must(t, err)
		for i, line := range strings.Split(string(raw), "\n") {
			for _, m := range inlineCommand.FindAllStringSubmatch(line, -1) {
				check(i+1, shellWords(m[1]))
			}
		}
	}
	if checked < 100 {
		t.Errorf("only %d commands were found: the documents are not read as they are written", checked)
	}
}

// The blocks that are marked with <!-- run --> are run, page by page in one folder
// against one server: lines that begin with "$ " are commands, what follows one is
// what it prints, with … for anything. A YAML block whose first line is a file's name
// in a remark is that file.
func TestMarkedBlocksOfDocumentsRun(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl on this machine")
	}
	ran := 0
	for _, page := range pages(t) {
		var marked []block
		for _, b := range blocksOf(t, page) {
			if b.run || b.info == "yaml" {
				marked = append(marked, b)
			}
		}
		name := filepath.Base(page)
		t.Run(name, func(t *testing.T) {
			var p *plane
			dir := t.TempDir()
			for _, b := range marked {
				if b.info == "yaml" {
					if file, ok := strings.CutPrefix(b.lines[0], "# "); ok && regexp.MustCompile(`^[a-z-]+\.yaml$`).MatchString(file) {
						write(t, filepath.Join(dir, file), strings.Join(b.lines, "\n")+"\n")
					}
					continue
				}
				if p == nil {
					p = startPlane(t, func(c *server.Config) {
						c.Provider, c.DataDir = server.ProviderProcess, filepath.Join(t.TempDir(), "data")
					})
					must(t, os.Symlink(os.Args[0], filepath.Join(dir, "simplane")))
					must(t, os.Mkdir(filepath.Join(dir, "bin"), 0o700))
					must(t, os.Symlink(os.Args[0], filepath.Join(dir, "bin", "simplane")))
					root, err := filepath.Abs("../..")
					must(t, err)
					must(t, os.Symlink(filepath.Join(root, "scenarios"), filepath.Join(dir, "scenarios")))
				}
				for _, step := range b.steps() {
					cmd := exec.Command("sh", "-ec", strings.ReplaceAll(step.command, "localhost:8080", p.addr))
					cmd.Dir = dir
					cmd.Env = append(os.Environ(), roleVariable+"=simplane", "SIMPLANE_SERVER="+p.addr, "PATH="+dir+":"+os.Getenv("PATH"))
					out, err := cmd.CombinedOutput()
					if err != nil {
						t.Errorf("%s:%d: %s: %v\n%s", page, b.line, step.command, err, out)
						continue
					}
					ran++
					if step.prints != "" && !fits(step.prints, string(out)) {
						t.Errorf("%s:%d: %s printed\n%s\nthe page says\n%s", page, b.line, step.command, out, step.prints)
					}
				}
			}
		})
	}
	if ran < 10 {
		t.Errorf("only %d commands were run", ran)
	}
}

type step struct{ command, prints string }

var hereDocument = regexp.MustCompile(`<<'?([A-Z]+)'?$`)

// steps are the commands of a block: those behind "$ ", with the here-document that
// follows one, or where there is none the whole block as one script.
func (b block) steps() (all []step) {
	end := "" // of a here-document
	for _, line := range b.lines {
		n := len(all)
		if end != "" {
			all[n-1].command += "\n" + line
			if line == end {
				end = ""
			}
		} else if command, ok := strings.CutPrefix(line, "$ "); ok {
			all = append(all, step{command: command})
			if m := hereDocument.FindStringSubmatch(command); m != nil {
				end = m[1]
			}
		} else if n > 0 {
			all[n-1].prints += line + "\n"
		}
	}
	if len(all) == 0 {
		all = []step{{command: strings.Join(b.lines, "\n")}}
	}
	return all
}

// fits reports whether a text is what a page says, where … stands for anything and
// blanks count once.
func fits(says, text string) bool {
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	var pattern strings.Builder
	for i, part := range strings.Split(squeeze(says), "…") {
		if i > 0 {
			pattern.WriteString(".*")
		}
		pattern.WriteString(regexp.QuoteMeta(part))
	}
	return regexp.MustCompile("^" + pattern.String() + "$").MatchString(squeeze(text))
}
