package fncall

import (
	"bytes"
	"encoding/json"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// stdReply is a reply as the standard library reads it.
func stdReply(line []byte) (Reply, error) {
	var a struct {
		ExecutionID string          `json:"executionId"`
		Output      json.RawMessage `json:"output"`
		Error       *replyError     `json:"error"`
	}
	err := json.Unmarshal(line, &a)
	return Reply{ExecutionID: a.ExecutionID, Output: a.Output, Error: a.Error}, err
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
	var r ReplyReader // one for all, as a worker has
	f.Fuzz(func(t *testing.T, line []byte) {
		want, wantErr := stdReply(line)
		before := bytes.Clone(line)
		got, err := r.Parse(line)
		// Neither kind of line is an answer.
		none := func(a Reply, err error) bool { return err != nil || !a.IsAnswer() }
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

// An idle worker must not keep the last answer.
func TestAnswersAreNotKept(t *testing.T) {
	const readers, size = 20, 4 << 20
	all := make([]ReplyReader, readers)
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	for i := range all {
		line := []byte(`{"output":"` + strings.Repeat("x", size) + `"}`)
		if a, err := all[i].Parse(line); err != nil || len(a.Output) != size+2 {
			t.Fatal(len(a.Output), err)
		}
	}
	if grew := heap() - before; grew > readers*size/4 {
		t.Errorf("%d MiB are kept", grew>>20)
	}
	runtime.KeepAlive(all)
}

// A small output in a large answer is kept without the rest of it, and a large
// one is not copied.
func TestOutputsAreKeptWithoutTheRest(t *testing.T) {
	large := strings.Repeat("x", 1<<20)
	for line, copied := range map[string]bool{
		`{"output":1,"junk":"` + large + `"}`: true,
		`{"output":"` + large + `"}`:          false,
	} {
		line := []byte(line)
		var r ReplyReader
		reply, err := r.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		a, err := reply.Answer()
		if err != nil {
			t.Fatal(err)
		}
		own := Own(a.Output, line)
		if !bytes.Equal(own, a.Output) {
			t.Errorf("%.20s became %.20s", a.Output, own)
		}
		if (&own[0] != &a.Output[0]) != copied {
			t.Errorf("an output of %d bytes in a line of %d: copied %v, want %v", len(own), len(line), !copied, copied)
		}
	}
}

func BenchmarkReply(b *testing.B) {
	line := []byte(`{"executionId":"8f14e45f-ceea-467f-a0e6-9b8f3c1d7a01","output":{"roman":"MMXXVI"}}`)
	b.Run("reader", func(b *testing.B) {
		b.ReportAllocs()
		var r ReplyReader
		for b.Loop() {
			if a, err := r.Parse(line); err != nil || !a.IsAnswer() {
				b.Fatal(a, err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if a, err := stdReply(line); err != nil || !a.IsAnswer() {
				b.Fatal(a, err)
			}
		}
	})
}
