package httpjson

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/valyala/fasthttp"
)

// FuzzErrorText: an error answer is JSON whatever text is in it.
func FuzzErrorText(f *testing.F) {
	f.Add("plain")
	f.Add("\"quoted\" \\ \x00 \xff <html> \u2028")
	f.Fuzz(func(t *testing.T, text string) {
		var ctx fasthttp.RequestCtx
		WriteError(&ctx, 400, "CODE", text, text, text)
		var got struct {
			Error, Message string
			Details        []string
		}
		if err := json.Unmarshal(ctx.Response.Body(), &got); err != nil || !utf8.Valid(ctx.Response.Body()) {
			t.Fatalf("%q: %v", ctx.Response.Body(), err)
		}
		if utf8.ValidString(text) && (got.Message != text || len(got.Details) != 2 || got.Details[1] != text) {
			t.Fatalf("%q became %+v", text, got)
		}
	})
}
