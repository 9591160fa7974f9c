package server

import (
	"fmt"
	"strings"

	"simplane/core/strictyaml"
	"simplane/server/internal/auth"
)

// tokenFlags may be lists in the config file, with a name for each token:
//
//	manageToken:
//	  - {name: ci, hash: "sha256:…"}
//	  - {name: alice, hash: "sha256:…"}
var tokenFlags = map[string]bool{"invoke-token": true, "manage-token": true, "internal-token": true}

// tokenList turns the list into the form that flags take, "ci=sha256:…,…".
// Errors have the position and contain no token.
func tokenList(p *strictyaml.Problems, list *strictyaml.Node) (flat string, where *strictyaml.Node, wrong string) {
	var parts []string
	for _, entry := range list.Items {
		switch {
		case entry.Kind == strictyaml.Scalar && !strings.Contains(entry.Text, ","):
			parts = append(parts, entry.Text)
		case entry.Kind == strictyaml.Mapping:
			part, where, wrong := namedToken(p, entry)
			if wrong != "" {
				return "", where, wrong
			}
			parts = append(parts, part)
		default:
			return "", entry, "each entry must be a token, or a mapping of name and hash"
		}
	}
	if len(parts) == 0 {
		return "", list, "there is no token in the list; leave the key out to require none"
	}
	return strings.Join(parts, ","), nil, ""
}

func namedToken(p *strictyaml.Problems, entry *strictyaml.Node) (part string, where *strictyaml.Node, wrong string) {
	given := map[string]string{}
	for key, value := range p.Pairs("", entry) {
		switch {
		case key.Text != "name" && key.Text != "hash":
			return "", key, fmt.Sprintf("unknown key %q of a token; it has name and hash", key.Text)
		case value.Kind != strictyaml.Scalar:
			return "", value, key.Text + ": expected a single value"
		}
		given[key.Text] = value.Text
	}
	name, hash := given["name"], given["hash"]
	switch {
	case !auth.ValidTokenName(name):
		return "", entry, "a token's name must be 1 to 64 letters, digits, dots, dashes or underscores"
	case !strings.HasPrefix(hash, auth.HashPrefix) || strings.Contains(hash, ","):
		return "", entry, `a token's hash must be "` + auth.HashPrefix + `" and the hex of its hash`
	}
	return name + "=" + hash, nil, ""
}
