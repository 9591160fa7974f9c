package scenario

import (
	"bytes"
	"encoding/json"
)

// Schema is the JSON Schema (draft 2020-12) of scenario files, made from the
// tables that the decoder uses. It cannot express what depends on several
// keys, which check.go decides.
func Schema() []byte {
	s := scenarioTable.schema()
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "simplane scenario"
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false) // it is read as it is: ">=", not "\u003e="
	if err := enc.Encode(s); err != nil {
		panic(err) // maps, strings and numbers only
	}
	return out.Bytes()
}
