package strictyaml

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

func (p *Problems) parseJSON(text []byte) []*Node {
	j := jsonReader{text: text, dec: jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true))}
	root, err := j.value(1)
	if err == nil {
		if _, end := j.dec.ReadToken(); end == nil {
			p.Add(j.line(), "there is more after the closing brace or bracket; remove it")
			return nil
		} else if end != io.EOF {
			err = end
		}
	}
	if err == nil {
		return []*Node{root}
	}
	line, why := j.line(), err.Error()
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		line, why = lineAt(text, int(syntax.ByteOffset)), strings.TrimPrefix(syntax.Err.Error(), "jsontext: ")
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		why = "the file ends too early"
	}
	p.Add(line, "malformed JSON: %s", why)
	return nil
}

type jsonReader struct {
	text []byte
	dec  *jsontext.Decoder
}

func (j *jsonReader) line() int { return lineAt(j.text, int(j.dec.InputOffset())) }

var errTooDeep = errors.New("nested too deep; write it flatter")

func (j *jsonReader) value(depth int) (*Node, error) {
	token, err := j.dec.ReadToken()
	switch {
	case err != nil:
		return nil, err
	case depth > maxDepth:
		return nil, errTooDeep
	}
	n := &Node{Text: token.String(), Line: j.line()}
	switch token.Kind() {
	case '{':
		n.Kind, n.Tag = Mapping, "!!map"
		return n, j.until('}', n, depth)
	case '[':
		n.Kind, n.Tag = List, "!!seq"
		return n, j.until(']', n, depth)
	case '"':
		n.Tag = "!!str"
	case 't', 'f':
		n.Tag = "!!bool"
	case 'n':
		n.Tag = "!!null"
	default:
		n.Tag = "!!int"
		if strings.ContainsAny(n.Text, ".eE") {
			n.Tag = "!!float"
		}
	}
	return n, nil
}

func (j *jsonReader) until(end jsontext.Kind, n *Node, depth int) error {
	for j.dec.PeekKind() != end {
		child, err := j.value(depth + 1)
		if err != nil {
			return err
		}
		n.Items = append(n.Items, child)
	}
	_, err := j.dec.ReadToken()
	return err
}
