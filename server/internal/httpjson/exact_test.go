package httpjson

import (
	"encoding/json"
	"reflect"
	"testing"
)

type exactInner struct {
	Min *int            `json:"min"`
	Raw json.RawMessage `json:"raw"`
}

type exactOuter struct {
	Name  string            `json:"name"`
	Inner *exactInner       `json:"inner,omitempty"`
	List  []exactInner      `json:"list"`
	Env   map[string]string `json:"env"`
}

func TestUnmarshalKnowsExactNamesOnly(t *testing.T) {
	for name, tc := range map[string]struct{ body, same string }{
		"a name twice":           {`{"name":"a","name":"b"}`, `{"name":"b"}`},
		"another case":           {`{"name":"a","NAME":"b","Name":"c"}`, `{"name":"a"}`},
		"another case alone":     {`{"NAME":"b"}`, `{}`},
		"a letter that folds":    {`{"li\u017ft":[{}]}`, `{}`},
		"an escaped name":        {`{"n\u0061me":"b"}`, `{"name":"b"}`},
		"within an object":       {`{"inner":{"min":1,"MIN":2}}`, `{"inner":{"min":1}}`},
		"within a list":          {`{"list":[{"min":1,"Min":2},null,{"MIN":3}]}`, `{"list":[{"min":1},null,{}]}`},
		"of a wrong type":        {`{"NAME":5,"inner":{"MIN":"x"}}`, `{"inner":{}}`},
		"keys of a map are data": {`{"env":{"A":"1","a":"2"}}`, `{"env":{"A":"1","a":"2"}}`},
		"so is what is kept raw": {`{"inner":{"raw":{ "MIN": [1 ] }}}`, `{"inner":{"raw":{ "MIN": [1 ] }}}`},
		"nulls":                  {`{"inner":null,"list":null,"name":null}`, `{}`},
		"an empty list":          {`{"list":[]}`, `{"list":[]}`},
	} {
		var got, want exactOuter
		if err := json.Unmarshal([]byte(tc.same), &want); err != nil {
			t.Fatal(err)
		}
		if err := Unmarshal([]byte(tc.body), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %s is read as %+v (%v), want %+v", name, tc.body, got, err, want)
		}
	}
}

// What does not fit is said as the standard library says it.
func TestUnmarshalKeepsTheErrors(t *testing.T) {
	for _, body := range []string{`{"name":5}`, `{"inner":{"min":"x"}}`, `{"inner":[]}`, `{"list":{}}`, `{"list":[{"min":1},{"min":"x"}]}`, `[]`, `5`, ``, `{"name":`, `{"env":{"A":1}}`} {
		var got, want exactOuter
		err, as := Unmarshal([]byte(body), &got), json.Unmarshal([]byte(body), &want)
		gotField, gotWhat, gotOK := WrongType(err)
		wantField, wantWhat, wantOK := WrongType(as)
		if (err == nil) != (as == nil) || gotField != wantField || gotWhat != wantWhat || gotOK != wantOK {
			t.Errorf("%s: %v, the standard library says %v", body, err, as)
		}
	}
}
