package specfile

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"gopkg.in/yaml.v3"
)

// parseJSON reads JSON into the tree that YAML is read into. (JSON is not
// quite YAML: tabs and surrogate escapes are where the two part.) With an
// error comes its line.
func parseJSON(text []byte) (*yaml.Node, int, error) {
	p := &jsonParser{text: text, dec: jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true))}
	doc, err := p.value()
	if err == nil {
		if _, end := p.dec.ReadToken(); end == nil {
			return nil, p.line(p.dec.InputOffset()), errors.New("there is more after the spec's closing brace")
		} else if end != io.EOF {
			err = end
		}
	}
	if err == nil {
		return doc, 0, nil
	}
	at, why := p.dec.InputOffset(), err.Error()
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		at, why = syntax.ByteOffset, strings.TrimPrefix(syntax.Err.Error(), "jsontext: ")
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		why = "the file ends too early"
	}
	return nil, p.line(at), errors.New("malformed JSON: " + why)
}

type jsonParser struct {
	text []byte
	dec  *jsontext.Decoder
}

// line is the line that a byte offset is on.
func (p *jsonParser) line(offset int64) int {
	return 1 + bytes.Count(p.text[:min(offset, int64(len(p.text)))], []byte("\n"))
}

func (p *jsonParser) value() (*yaml.Node, error) {
	token, err := p.dec.ReadToken()
	if err != nil {
		return nil, err
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: token.String(), Line: p.line(p.dec.InputOffset())}
	switch token.Kind() {
	case '{':
		n.Kind, n.Tag = yaml.MappingNode, "!!map"
		return n, p.until('}', n)
	case '[':
		n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
		return n, p.until(']', n)
	case '"':
		n.Tag, n.Style = "!!str", yaml.DoubleQuotedStyle
	case 't', 'f':
		n.Tag = "!!bool"
	case 'n':
		n.Tag = "!!null"
	default:
		n.Tag = "!!int"
		if strings.ContainsAny(n.Value, ".eE") {
			n.Tag = "!!float"
		}
	}
	return n, nil
}

func (p *jsonParser) until(end jsontext.Kind, n *yaml.Node) error {
	for p.dec.PeekKind() != end {
		child, err := p.value()
		if err != nil {
			return err
		}
		n.Content = append(n.Content, child)
	}
	_, err := p.dec.ReadToken()
	return err
}
