package main

import (
	"io"

	"go.yaml.in/yaml/v3"
)

// printSpecYAML shows JSON as YAML with the keys in their order, so that what
// `fn get` prints can be edited and applied again.
func printSpecYAML(w io.Writer, raw []byte) error {
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return err
	}
	blockStyle(&doc)
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return err
	}
	return enc.Close()
}

// blockStyle drops JSON's braces and quotes; the encoder quotes where YAML
// needs it. Empty lists and mappings stay on their line.
func blockStyle(n *yaml.Node) {
	n.Style = 0
	if len(n.Content) == 0 && n.Kind != yaml.ScalarNode {
		n.Style = yaml.FlowStyle
	}
	for _, child := range n.Content {
		blockStyle(child)
	}
}
