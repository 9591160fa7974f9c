package strictyaml

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

const (
	// MaxBytes is the size of the largest file that is read.
	MaxBytes = 64 << 20
	// maxAliased bounds the values that aliases lead to, maxDepth the nesting.
	// What is written out is bounded by the file's size.
	maxAliased = 200_000
	maxDepth   = 100
)

// Parse reads the documents of a file; empty ones are left out. Text that
// begins like a JSON object, or a list of them, is read as JSON, which tabs and surrogate escapes
// set apart from YAML. The error is an *Error.
func Parse(file string, text []byte) ([]*Node, error) {
	p := Problems{File: file}
	docs := p.parse(text)
	if err := p.Err(); err != nil {
		return nil, err
	}
	return docs, nil
}

var jsonText = regexp.MustCompile(`^\s*(\[\s*)?\{\s*["}]`)

func (p *Problems) parse(text []byte) (docs []*Node) {
	if len(text) > MaxBytes {
		p.Add(1, "larger than %d MiB; split it", MaxBytes>>20)
		return nil
	}
	if at := notText(text); at >= 0 {
		p.Add(lineAt(text, at), "not a text file (byte %d is 0x%02x); write UTF-8", at, text[at])
		return nil
	}
	if jsonText.Match(text) {
		return p.parseJSON(text)
	}
	defer func() { // the parser panics on some malformed input
		if r := recover(); r != nil {
			p.Add(1, "not valid YAML: %v", r)
		}
	}()
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var doc yaml.Node
		err := decoder.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return docs
		}
		if err != nil {
			p.addYAML(err)
			return nil
		}
		b := builder{problems: p, known: map[*yaml.Node]*built{}}
		if root := b.build(doc.Content[0], 1); root == nil {
			return nil
		} else if !root.Null() {
			docs = append(docs, root.Node)
		}
	}
}

// lineAt is the line that a byte offset is on.
func lineAt(text []byte, offset int) int {
	return 1 + bytes.Count(text[:min(offset, len(text))], []byte("\n"))
}

// notText is the offset of the first byte that no text has, -1 for text.
func notText(text []byte) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if (r == utf8.RuneError && size == 1) || r == 0x7f || (r < ' ' && r != '\n' && r != '\r' && r != '\t') {
			return i
		}
		i += size
	}
	return -1
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:unmarshal errors:\s*)?(?:line (\d+): )?`)

// addYAML takes the line out of the parser's message.
func (p *Problems) addYAML(err error) {
	message := err.Error()
	found := yamlLine.FindStringSubmatch(message)
	line, _ := strconv.Atoi(found[1])
	p.Add(line, "not valid YAML: %s", strings.ReplaceAll(strings.TrimPrefix(message, found[0]), "\n", " "))
}

// built is a node with the size and height of the tree below it, aliases
// expanded.
type built struct {
	*Node
	size, height int
}

// builder turns the parser's tree into Nodes.
type builder struct {
	problems *Problems
	known    map[*yaml.Node]*built // those with an anchor; nil while one is being built
	aliased  int
}

// build returns nil after it has reported a problem. depth counts the levels
// from the root.
func (b *builder) build(n *yaml.Node, depth int) *built {
	if n.Kind == yaml.AliasNode {
		return b.alias(n, depth)
	}
	if depth > maxDepth {
		return b.fail(n, "nested more than %d deep; write it flatter", maxDepth)
	}
	if n.Anchor != "" {
		b.known[n] = nil
	}
	out := &built{Node: &Node{Tag: n.ShortTag(), Text: n.Value, Line: n.Line}, size: 1, height: 1}
	switch n.Kind {
	case yaml.MappingNode:
		out.Kind = Mapping
	case yaml.SequenceNode:
		out.Kind = List
	}
	for _, child := range n.Content {
		c := b.build(child, depth+1)
		if c == nil {
			return nil
		}
		out.Items = append(out.Items, c.Node)
		out.size += c.size
		out.height = max(out.height, c.height+1)
	}
	if n.Anchor != "" {
		b.known[n] = out
	}
	return out
}

func (b *builder) alias(n *yaml.Node, depth int) *built {
	target := b.known[n.Alias]
	if target == nil {
		return b.fail(n, "the anchor %q contains itself; write the values out", n.Value)
	}
	if depth+target.height-1 > maxDepth {
		return b.fail(n, "nested more than %d deep; write it flatter", maxDepth)
	}
	if b.aliased += target.size; b.aliased > maxAliased {
		return b.fail(n, "aliases expand to more than %d values; write fewer", maxAliased)
	}
	return target
}

func (b *builder) fail(n *yaml.Node, format string, args ...any) *built {
	b.problems.Add(n.Line, format, args...)
	return nil
}
