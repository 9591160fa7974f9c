package jsonobject

import (
	"bytes"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// What is read is compared with the standard library's reading by the fuzz tests
// of those who call this.
func TestRead(t *testing.T) {
	for _, tc := range []struct{ text, want, fault string }{
		{`{}`, "", ""},
		{` {"keep":{"a":[1]},"skip":[{}, "x"],"k\u0065ep": 2 } `, `{"a":[1]};2;`, ""},
		{`[]`, "", ErrOther.Error()},
		{`[`, "", "unexpected EOF"},
		{``, "", "EOF"},
		{`{"keep":1} 2`, "1;", "unexpected data after the object at byte offset 12"},
		{`{"keep":1,}`, "1;", "invalid character"},
		{`{"skip":`, "", "unexpected EOF"},
	} {
		dec := jsontext.NewDecoder(bytes.NewBufferString(tc.text), jsontext.AllowDuplicateNames(true))
		got := ""
		err := Read(dec, func(name []byte) (bool, error) {
			if string(name) != "keep" {
				return false, nil
			}
			value, err := Value(dec, []byte(tc.text))
			if err == nil {
				got += string(value) + ";"
			}
			return true, err
		})
		if got != tc.want || (err == nil) != (tc.fault == "") || err != nil && !strings.Contains(err.Error(), tc.fault) {
			t.Errorf("%s: %q and %v, want %q and %q", tc.text, got, err, tc.want, tc.fault)
		}
	}
}
