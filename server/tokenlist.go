package server

import (
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// tokenFlags may be lists in the config file, with a name for each token:
//
//	manageToken:
//	  - {name: ci, hash: "sha256:…"}
//	  - {name: alice, hash: "sha256:…"}
var tokenFlags = map[string]bool{"invoke-token": true, "manage-token": true, "internal-token": true}

// tokenList turns the list into the form that flags take, "ci=sha256:…,…".
// What is wrong comes with its place and tells nothing of the tokens.
func tokenList(list *yaml.Node) (flat *yaml.Node, where *yaml.Node, wrong string) {
	var parts []string
	for _, entry := range list.Content {
		switch {
		case entry.Kind == yaml.ScalarNode && !strings.Contains(entry.Value, ","):
			parts = append(parts, entry.Value)
		case entry.Kind == yaml.MappingNode:
			part, where, wrong := namedToken(entry)
			if wrong != "" {
				return nil, where, wrong
			}
			parts = append(parts, part)
		default:
			return nil, entry, "each entry must be a token, or a mapping of name and hash"
		}
	}
	if len(parts) == 0 {
		return nil, list, "there is no token in the list; leave the key out to require none"
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: strings.Join(parts, ","), Line: list.Line}, nil, ""
}

func namedToken(entry *yaml.Node) (part string, where *yaml.Node, wrong string) {
	given := map[string]string{}
	for i := 0; i+1 < len(entry.Content); i += 2 {
		key, value := entry.Content[i], entry.Content[i+1]
		switch {
		case key.Value != "name" && key.Value != "hash":
			return "", key, fmt.Sprintf("unknown key %q of a token; it has name and hash", key.Value)
		case value.Kind != yaml.ScalarNode:
			return "", value, key.Value + ": expected a single value"
		}
		given[key.Value] = value.Value
	}
	name, hash := given["name"], given["hash"]
	switch {
	case !tokenName.MatchString(name):
		return "", entry, "a token's name must be 1 to 64 letters, digits, dots, dashes or underscores"
	case !strings.HasPrefix(hash, hashPrefix) || strings.Contains(hash, ","):
		return "", entry, `a token's hash must be "` + hashPrefix + `" and the hex of its hash`
	}
	return name + "=" + hash, nil, ""
}
