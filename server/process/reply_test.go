package process

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
)

// stdReply is a reply as the standard library reads it.
func stdReply(line []byte) (reply, error) {
	var a struct {
		ExecutionID string          `json:"executionId"`
		Output      json.RawMessage `json:"output"`
		Error       *replyError     `json:"error"`
	}
	err := json.Unmarshal(line, &a)
	return reply{ExecutionID: a.ExecutionID, Output: a.Output, Error: a.Error}, err
}

func FuzzReply(f *testing.F) {
	for _, line := range []string{
		`{"executionId":"e","output":{"a":[1,"x"]}}`, `{"output":null}`, `{"OUTPUT":1,"Error":null}`, `{"output": 1 , "output":2}`,
		`{"error":{"code":"C","message":"m"},"error":{"message":"n"}}`, `{"error":"C"}`, `{"error":{"code":1}}`, `{"executionId":7,"output":1}`,
		`{"executionId":null,"\u006futput":"\ud800"}`, "{\"output\":\"\xff\"}", `{"output":1}}`, `{"output":1} {}`, `{"output":`, `[]`, `null`, `7`, ``, ` {} `,
		`{"out\tput":1}`, `{"executionId":"` + "\xff" + `\n","output":"ſ"}`, "{\"output\":\"a\tb\"}", `{"executionıd":"e"}`,
	} {
		f.Add([]byte(line))
	}
	var r replyReader // one for all, as a worker has
	f.Fuzz(func(t *testing.T, line []byte) {
		want, wantErr := stdReply(line)
		before := bytes.Clone(line)
		got, err := r.parse(line)
		// Neither kind of line is an answer.
		none := func(a reply, err error) bool { return err != nil || !a.isAnswer() }
		if none(got, err) && none(want, wantErr) {
			return
		}
		if (err == nil) != (wantErr == nil) || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v %v, want %+v %v", line, got, err, want, wantErr)
		}
		if !bytes.Equal(line, before) {
			t.Errorf("%q became %q", before, line)
		}
	})
}

func BenchmarkReply(b *testing.B) {
	line := []byte(`{"executionId":"8f14e45f-ceea-467f-a0e6-9b8f3c1d7a01","output":{"roman":"MMXXVI"}}`)
	b.Run("reader", func(b *testing.B) {
		b.ReportAllocs()
		var r replyReader
		for b.Loop() {
			if a, err := r.parse(line); err != nil || !a.isAnswer() {
				b.Fatal(a, err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if a, err := stdReply(line); err != nil || !a.isAnswer() {
				b.Fatal(a, err)
			}
		}
	})
}
