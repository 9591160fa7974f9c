// Package strictyaml reads YAML and JSON that people write. Every mistake is
// reported with its file and line and with what to do. What would blow up (huge
// files, aliases that expand to millions of values, anchors that contain
// themselves, deep nesting) is refused, so that a tree can be walked without
// further care.
//
// The package does no I/O: it is given the bytes, and the file's name for its
// messages.
package strictyaml

import (
	"strconv"
	"strings"
)

// Kind is what a node is.
type Kind uint8

// The kinds of nodes.
const (
	Scalar Kind = iota
	Mapping
	List
)

// Node is a value of a document. Aliases are resolved: a node may be in the
// tree several times, but never below itself.
type Node struct {
	Kind Kind
	Tag  string // of a scalar, as YAML resolves it: "!!str", "!!int", "!!float", "!!bool", "!!null" …
	Text string // of a scalar, without quotes
	Line int    // from 1
	// Items are a list's values. Of a mapping they are keys and values in turn.
	Items []*Node
}

// Null says that there is no value.
func (n *Node) Null() bool { return n.Kind == Scalar && n.Tag == "!!null" }

// What names the kind of value in messages: "a list", "a number".
func (n *Node) What() string {
	switch n.Kind {
	case Mapping:
		return "a mapping"
	case List:
		return "a list"
	}
	switch n.Tag {
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "a boolean"
	case "!!null":
		return "empty"
	case "!!str":
		return "a string"
	}
	return "a " + strings.TrimPrefix(n.Tag, "!!")
}

// Int is a whole number; ok is false for other values and for numbers beyond 64
// bits.
func (n *Node) Int() (v int64, ok bool) {
	if n.Kind != Scalar || n.Tag != "!!int" {
		return 0, false
	}
	v, err := strconv.ParseInt(strings.ReplaceAll(n.Text, "_", ""), 0, 64)
	return v, err == nil
}

// Float is a finite number; ok is false for other values.
func (n *Node) Float() (v float64, ok bool) {
	if i, whole := n.Int(); whole {
		return float64(i), true // ParseFloat knows no 0x10 and no 0o17
	}
	if n.Kind != Scalar || n.Tag != "!!int" && n.Tag != "!!float" {
		return 0, false
	}
	v, err := strconv.ParseFloat(strings.ReplaceAll(n.Text, "_", ""), 64)
	return v, err == nil && v-v == 0 // neither infinite nor a NaN
}
