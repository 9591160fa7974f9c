package funcspec

import (
	"fmt"
	"strings"
)

// defaultHealthPath is asked where a spec names no other.
const defaultHealthPath = "/health"

// maxPath bounds the paths in a spec, in bytes.
const maxPath = 2048

func (h HealthCheck) withDefaults() HealthCheck {
	if h.Type == "" {
		h.Type = HealthHTTP
	}
	if h.Type == HealthHTTP && h.Path == "" {
		h.Path = defaultHealthPath
	}
	return h
}

func (h HealthCheck) check(v *violations) {
	v.oneOf("healthCheck.type", h.Type, HealthHTTP, HealthTCP)
	switch {
	case h.Path == "":
	case h.Type == HealthTCP:
		v.add("healthCheck.path", "must be left out with type tcp, which asks nothing")
	default:
		if problem := pathProblem(h.Path, "#"); problem != "" {
			v.add("healthCheck.path", problem)
		}
	}
}

// pathProblem says what is wrong with a path that goes into request lines as it
// is; "" for nothing. Bytes that cannot stand there, or are forbidden, have to be
// percent-encoded.
func pathProblem(path, forbidden string) string {
	switch {
	case !strings.HasPrefix(path, "/"):
		return `must begin with "/"`
	case len(path) > maxPath:
		return fmt.Sprintf("must have at most %d bytes", maxPath)
	}
	for _, c := range []byte(path) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(forbidden, c) >= 0 {
			return fmt.Sprintf("must have %q percent-encoded, as %%%02X", rune(c), c)
		}
	}
	return ""
}
