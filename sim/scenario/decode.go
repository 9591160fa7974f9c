package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

const (
	maxFileBytes = 64 << 20
	// maxAliased and maxDepth stop a small file whose aliases expand to a huge
	// tree. What is written out is bounded by the file's size.
	maxAliased = 200_000
	maxDepth   = 100
)

// ReadFile reads and checks a scenario file. The error is an *Error when the
// content is at fault.
func ReadFile(path string) (*Scenario, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fileError(path, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, fileError(path, err)
	}
	return Parse(path, data)
}

func fileError(path string, err error) error {
	var pathErr *os.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return &Error{Problems: []Problem{{File: path, Line: 1, What: fmt.Sprintf("cannot read it: %v; give the path of a scenario file", err)}}}
}

// Parse decodes and checks a scenario; file is named in messages. The error is
// an *Error.
func Parse(file string, data []byte) (*Scenario, error) {
	d := &decoder{problems: problems{file: file}}
	root := d.document(data)
	if err := d.err(); err != nil {
		return nil, err
	}
	s := scenarioTable.fresh()
	scenarioTable.decode(d, root, "", &s)
	s.File = file
	if len(d.list) == 0 {
		check(&s, &d.problems)
	} else {
		references(&s, &d.problems) // what is left out above would only confuse the other checks
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	return &s, nil
}

type decoder struct {
	problems
	depth   int
	inAlias int // depth of the outermost alias that is being followed; 0 = none
	aliased int // values visited below aliases
	spent   bool
}

// document parses YAML into the one tree it must be.
func (d *decoder) document(data []byte) (root *yaml.Node) {
	if len(data) > maxFileBytes {
		d.add(1, "larger than %d MiB; split the scenario", maxFileBytes>>20)
		return nil
	}
	if at := notText(data); at >= 0 {
		d.add(1+bytes.Count(data[:at], []byte("\n")), "not a text file (byte %d is 0x%02x); a scenario is UTF-8 YAML", at, data[at])
		return nil
	}
	defer func() { // yaml.v3 panics on some malformed input
		if p := recover(); p != nil {
			d.add(1, "not valid YAML: %v", p)
		}
	}()
	reader := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	switch err := reader.Decode(&doc); {
	case errors.Is(err, io.EOF):
		d.add(1, "empty; a scenario needs at least name, duration and functions")
		return nil
	case err != nil:
		d.yamlError(err)
		return nil
	}
	switch err := reader.Decode(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		d.yamlError(err)
		return nil
	default:
		d.add(second.Line, "a second YAML document; put each scenario into a file of its own")
		return nil
	}
	root = doc.Content[0]
	if root.ShortTag() == "!!null" {
		d.add(root.Line, "empty; a scenario needs at least name, duration and functions")
	}
	return root
}

// notText is the offset of the first byte that no text has, -1 for text.
func notText(data []byte) int {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if (r == utf8.RuneError && size == 1) || r == 0x7f || (r < ' ' && r != '\n' && r != '\r' && r != '\t') {
			return i
		}
		i += size
	}
	return -1
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:unmarshal errors:\s*)?(?:line (\d+): )?`)

func (d *decoder) yamlError(err error) {
	msg := err.Error()
	m := yamlLine.FindStringSubmatch(msg)
	line, _ := strconv.Atoi(m[1])
	d.add(line, "not valid YAML: %s", strings.ReplaceAll(strings.TrimPrefix(msg, m[0]), "\n", " "))
}

// enter follows an alias and counts what aliases lead to; nil says stop.
// leave must be called after a non-nil answer.
func (d *decoder) enter(n *yaml.Node) *yaml.Node {
	if d.spent {
		return nil
	}
	at := n.Line
	d.depth++
	if n.Kind == yaml.AliasNode {
		n = n.Alias
		if d.inAlias == 0 {
			d.inAlias = d.depth
		}
	}
	if d.inAlias > 0 {
		d.aliased++
	}
	if d.depth > maxDepth || d.aliased > maxAliased {
		d.spent = true
		if d.depth > maxDepth {
			d.add(at, "nested more than %d deep, or an anchor that contains itself; write the values out", maxDepth)
		} else {
			d.add(at, "aliases expand to more than %d values; write fewer", maxAliased)
		}
		return nil
	}
	return n
}

func (d *decoder) leave() {
	if d.depth == d.inAlias {
		d.inAlias = 0
	}
	d.depth--
}
