package kubernetes

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

const (
	fieldManager = "simplane"
	domain       = "simplane.internal"

	labelManagedBy = "app.kubernetes.io/managed-by"
	labelName      = "app.kubernetes.io/name"
	labelComponent = "app.kubernetes.io/component"
	labelFunction  = domain + "/function" // the object name

	annotationFunction = domain + "/function-name"
)

// objectName is the name of a function's objects: a DNS label that starts with
// a letter, at most 63 bytes. Names that do not fit as they are get a hash of
// the original, so that two functions never share objects.
func objectName(function string) string {
	const prefix, maxLen = "fn-", 63
	name := strings.ToLower(function)
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, name)
	if name == function && !strings.HasSuffix(name, "-") && len(prefix)+len(name) <= maxLen-9 {
		return prefix + name
	}
	sum := sha256.Sum256([]byte(function))
	name = name[:min(len(name), maxLen-len(prefix)-9)]
	return prefix + strings.TrimRight(name, "-") + "-" + hex.EncodeToString(sum[:4])
}

func (f *function) labels() map[string]string {
	return map[string]string{
		labelManagedBy: fieldManager,
		labelName:      f.object,
		labelComponent: "function",
		labelFunction:  f.object,
	}
}

// selector matches the pods of the function; a Deployment's never changes.
func (f *function) selector() map[string]string {
	return map[string]string{labelFunction: f.object}
}
