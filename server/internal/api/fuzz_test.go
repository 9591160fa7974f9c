package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/funcspec"
	"simplane/server/harness/specs"
	"simplane/server/internal/httpjson"
)

// within says that part is a piece of whole, not a copy.
func within(part, whole []byte) bool {
	if len(part) == 0 {
		return true
	}
	for i := range whole {
		if &whole[i] == &part[0] {
			return i+len(part) <= len(whole)
		}
	}
	return false
}

var jsonSeeds = []string{
	`{}`, `{"input":1}`, `{"input":null}`, `{"input":{"a":[1,2.5e3,"x\u00e9"]},"metadata":{"k":"v"}}`, ` { "input" : [ ] } `,
	`{"metadata":{"a":1},"input":1}`, `{"metadata":null,"input":1}`, `{"metadata":{"a":"b","a":"c"},"input":1}`, `{"input":1,"input":2}`,
	`{"in\u0070ut":7}`, `{"Input":1}`, `{"input":1}x`, `{"input":01}`, `{"input":"` + "\xff" + `"}`, `{"input":"\ud800"}`, `[]`, `null`, ``, `{`,
	`{"input":nul}`, `{"metadata":[],"x":{"y":[]}}`, `{"input":1e999,"z":-0}`, "\xef\xbb\xbf{}", `{"input":{"input":null}}`, `{"metadata":{"a":"\ud800"},"input":1}`,
}

// FuzzDecodeInvocation holds the decoder against encoding/json. They differ by
// design: encoding/json takes invalid UTF-8 and lone surrogates (and replaces
// them), and matches names whatever their case.
func FuzzDecodeInvocation(f *testing.F) {
	for _, s := range jsonSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		inv, fault := decodeInvocation(body)
		if slow, other := readInvocation(body); (other == nil) != (fault == nil) || !bytes.Equal(slow.input, inv.input) || !bytes.Equal(slow.metadata, inv.metadata) {
			t.Fatalf("scanned %q and %q, read %q and %q of %q", inv.input, inv.metadata, slow.input, slow.metadata, body)
		}
		var reference map[string]json.RawMessage
		err := json.Unmarshal(body, &reference)
		wellFormed := err == nil && reference != nil
		if fault != nil && fault.Status != 400 {
			t.Fatalf("status %d", fault.Status)
		}
		if fault == nil {
			if !wellFormed {
				t.Fatalf("took %q, which encoding/json does not: %v", body, err)
			}
			if !within(inv.input, body) || !within(inv.metadata, body) {
				t.Fatalf("input or metadata is a copy")
			}
			if !json.Valid(inv.input) || bytes.Equal(inv.input, []byte("null")) {
				t.Fatalf("input %q", inv.input)
			}
			if !bytes.Equal(inv.input, bytes.TrimSpace(reference["input"])) {
				t.Fatalf("input %q, encoding/json says %q", inv.input, reference["input"])
			}
			var metadata map[string]*string
			if inv.metadata != nil {
				if err := json.Unmarshal(inv.metadata, &metadata); err != nil {
					t.Fatalf("metadata %q: %v", inv.metadata, err)
				}
				for k, v := range metadata {
					if v == nil {
						t.Fatalf("metadata %q is null", k)
					}
				}
			}
			return
		}
		// Refused: there must be a reason that encoding/json shares, but for
		// the text encoding and its laxer idea of nesting.
		if fault.Code == httpjson.CodeMalformedJSON && wellFormed && utf8.Valid(body) && !hasSurrogate(body) {
			t.Fatalf("refused %q as malformed: %s", body, fault.Message)
		}
		if fault.Code == httpjson.CodeValidation {
			var metadata map[string]*string
			badMetadata := json.Unmarshal(reference["metadata"], &metadata) != nil && reference["metadata"] != nil
			for _, v := range metadata {
				badMetadata = badMetadata || v == nil
			}
			// A repeated name's last value need not be the one that is wrong.
			repeated := bytes.Count(body, []byte(`"metadata"`))+bytes.Count(body, []byte(`\u`)) > 1
			input := bytes.TrimSpace(reference["input"])
			if input != nil && !bytes.Equal(input, []byte("null")) && !badMetadata && !repeated && !duplicateMember(reference["metadata"]) {
				t.Fatalf("refused %q: %v", body, fault.Details)
			}
		}
	})
}

func hasSurrogate(body []byte) bool {
	lower := bytes.ToLower(body)
	return bytes.Contains(lower, []byte(`\ud8`)) || bytes.Contains(lower, []byte(`\ud9`)) || bytes.Contains(lower, []byte(`\uda`)) ||
		bytes.Contains(lower, []byte(`\udb`)) || bytes.Contains(lower, []byte(`\udc`)) || bytes.Contains(lower, []byte(`\udd`)) ||
		bytes.Contains(lower, []byte(`\ude`)) || bytes.Contains(lower, []byte(`\udf`))
}

// duplicateMember says that an object has a name twice.
func duplicateMember(raw []byte) bool {
	d := json.NewDecoder(bytes.NewReader(raw))
	depth, key := 0, true
	seen := map[string]bool{}
	for {
		tok, err := d.Token()
		if err != nil {
			return false
		}
		switch v := tok.(type) {
		case json.Delim:
			if v == '{' || v == '[' {
				depth++
			} else {
				depth--
			}
			key = depth == 1
			continue
		case string:
			if depth == 1 && key {
				if seen[v] {
					return true
				}
				seen[v] = true
				key = false
				continue
			}
		}
		if depth == 1 {
			key = true
		}
	}
}

// FuzzDecodeSpec: what is taken resolves to a spec that is itself taken, and
// gives the same spec again.
func FuzzDecodeSpec(f *testing.F) {
	for _, s := range jsonSeeds {
		f.Add([]byte(s))
	}
	for _, tc := range specs.Cases {
		f.Add([]byte(tc.Body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		in, wrong, fault := decodeSpec(body)
		if fault != nil {
			if fault.Status != 400 || fault.Message == "" {
				t.Fatalf("%+v", fault)
			}
			return
		}
		if !json.Valid(body) {
			t.Fatalf("took %q", body)
		}
		spec, err := funcspec.Resolve(in)
		var invalid *core.ValidationError
		if err != nil && !errors.As(err, &invalid) {
			t.Fatalf("error %v", err)
		}
		details := specDetails(wrong, invalid)
		if (len(wrong) > 0 || invalid != nil) != (len(details) > 0) {
			t.Fatalf("wrong %v, invalid %v, details %q", wrong, invalid, details)
		}
		if len(details) > 0 {
			return
		}
		raw, err := json.Marshal(funcspec.View(spec))
		if err != nil {
			t.Fatal(err)
		}
		in, wrong, fault = decodeSpec(raw)
		if fault != nil || len(wrong) > 0 {
			t.Fatalf("%s: %v %v", raw, fault, wrong)
		}
		again, err := funcspec.Resolve(in)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if rawAgain, _ := json.Marshal(funcspec.View(again)); !bytes.Equal(raw, rawAgain) {
			t.Fatalf("resolves to\n%s\nand that to\n%s", raw, rawAgain)
		}
	})
}

func FuzzDecodeCompletion(f *testing.F) {
	for _, s := range append(jsonSeeds, `{"status":"success","output":1}`, `{"status":"error","error":{"code":"A","message":"b"}}`,
		`{"status":"timeout","coldStart":true,"initDurationMs":-5}`, `{"status":"success","coldStart":true,"initDurationMs":9223372036854775807}`) {
		f.Add([]byte(s), []byte("2"))
	}
	f.Fuzz(func(t *testing.T, body, attemptHeader []byte) {
		o, attempt, fault := decodeCompletion(body, attemptHeader)
		if fault != nil {
			if fault.Status != 400 || fault.Message == "" {
				t.Fatalf("%+v", fault)
			}
			return
		}
		if !json.Valid(body) || !utf8.Valid(body) {
			t.Fatalf("took %q", body)
		}
		if attempt < 0 || (attempt == 0 && len(attemptHeader) > 0) {
			t.Fatalf("attempt %d of the header %q", attempt, attemptHeader)
		}
		if !o.Status.Terminal() || o.Init < 0 || o.Init > 25*24*time.Hour {
			t.Fatalf("outcome %+v", o)
		}
		if o.Status == core.Success != json.Valid(o.Output) {
			t.Fatalf("%v with output %q", o.Status, o.Output)
		}
		if o.Status == core.Error && o.Code == "" {
			t.Fatal("an error without a code")
		}
	})
}

// FuzzSubmissionHeaders: whatever the headers are, the request is refused with
// 400 or carries them as they came.
func FuzzSubmissionHeaders(f *testing.F) {
	for _, s := range []string{"", "1", "0", "-1", "+5", "604800000", "604800001", "1e3", " 7 ", "９", "99999999999999999999"} {
		f.Add(s, "key", "trace")
	}
	f.Add("5", "\xff\xfe", "a\tb")
	f.Fuzz(func(t *testing.T, timeout, key, trace string) {
		var ctx fasthttp.RequestCtx
		h := &ctx.Request.Header
		h.Set("X-Timeout-Ms", timeout)
		h.Set("Idempotency-Key", key)
		h.Set("X-Trace-Id", trace)
		ctx.Request.SetBodyString(`{"input":1}`)
		given := string(h.Peek("X-Timeout-Ms")) // as the header may have cleaned it
		req, fault := (&API{}).submission(&ctx, "fn")
		n, err := strconv.ParseInt(given, 10, 64)
		valid := err == nil && n > 0 && n <= core.MaxTimeoutMillis
		keys := len(h.Peek("Idempotency-Key")) <= maxHeaderValue && len(h.Peek("X-Trace-Id")) <= maxHeaderValue
		if (fault == nil) != (valid && keys) {
			t.Fatalf("timeout %q, key %q, trace %q: %+v", timeout, key, trace, fault)
		}
		if fault != nil {
			if fault.Status != 400 || len(fault.Details) != 1 {
				t.Fatalf("%+v", fault)
			}
			return
		}
		if req.Timeout != time.Duration(n)*time.Millisecond || req.IdempotencyKey != string(h.Peek("Idempotency-Key")) || req.TraceID != string(h.Peek("X-Trace-Id")) {
			t.Fatalf("%+v", req)
		}
	})
}
