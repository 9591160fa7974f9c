package auth

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"simplane/core"
)

func TestTokenScopes(t *testing.T) {
	given := Tokens{Invoke: "i1, i2", Manage: fmt.Sprintf("sha256:%x", sha256.Sum256([]byte("m"))), Internal: "x"}
	tok, err := newTokens(given)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		header string
		opens  Scope // the highest scope it opens
	}{
		{"", ScopePublic}, {"Bearer", ScopePublic}, {"Bearer ", ScopePublic}, {"Basic i1", ScopePublic}, {"Bearer nope", ScopePublic},
		{"Bearer i1", ScopeInvoke}, {"Bearer i2", ScopeInvoke}, {"bearer i2", ScopeInvoke}, {"Bearer m", ScopeManage}, {"Bearer x", ScopeInternal},
	} {
		var ctx fasthttp.RequestCtx
		ctx.Request.Header.Set("Authorization", tc.header)
		for s := ScopePublic; s < scopes; s++ {
			if got, want := tok.allow(s, &ctx), s <= tc.opens; got != want {
				t.Errorf("header %q, scope %s: allowed %v, want %v", tc.header, s, got, want)
			}
		}
	}
	for header, want := range map[string]string{
		"": "", "Bearer nope": "", "Basic i1": "", "Bearer i1": "invokeToken#1", "Bearer i2": "invokeToken#2", "Bearer m": "manageToken#1", "bearer x": "internalToken#1",
	} {
		var ctx fasthttp.RequestCtx
		ctx.Request.Header.Set("Authorization", header)
		if got := tok.name(&ctx); got != want {
			t.Errorf("header %q names %q, want %q", header, got, want)
		}
	}
	open, _ := newTokens(Tokens{Internal: "x"})
	if !open.allow(ScopeManage, &fasthttp.RequestCtx{}) || open.allow(ScopeInternal, &fasthttp.RequestCtx{}) {
		t.Error("a scope without tokens must be open, one with a token closed")
	}
	if _, err := newTokens(Tokens{Manage: "sha256:12"}); err == nil {
		t.Error("a hash that is too short was taken")
	}
}

func TestTokenNames(t *testing.T) {
	hash := func(token string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(token))) }
	// Padding and "=" within a token are no name.
	list := "ci=" + hash("a") + ", " + hash("b") + ",c2VjcmV0==,x=y,alice.2=" + hash("a=sha256:b")
	got, err := parseTokens("manageToken", list)
	if err != nil {
		t.Fatal(err)
	}
	want := []secret{
		{sha256.Sum256([]byte("a")), "ci"}, {sha256.Sum256([]byte("b")), "manageToken#2"}, {sha256.Sum256([]byte("c2VjcmV0==")), "manageToken#3"},
		{sha256.Sum256([]byte("x=y")), "manageToken#4"}, {sha256.Sum256([]byte("a=sha256:b")), "alice.2"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q:\n%+v\nwant\n%+v", list, got, want)
	}
	for _, bad := range []string{"=" + hash("a"), "a b=" + hash("a"), "a\nb=" + hash("a"), strings.Repeat("x", 65) + "=" + hash("a"), "ci=sha256:12", "ci=sha256:", " , "} {
		if _, err := parseTokens("manageToken", bad); err == nil || strings.Contains(err.Error(), hash("a")[8:]) {
			t.Errorf("%q: error %v", bad, err)
		}
	}
}

func TestCompletionTokenOpensItsExecutionOnly(t *testing.T) {
	c := newCompletionTokens(NewCompletionKey())
	a, b := core.ID{1}, core.ID{2}
	if !c.valid(a, []byte(c.of(a))) || c.valid(b, []byte(c.of(a))) || c.valid(a, nil) {
		t.Error("the token must open its own execution, and only that")
	}
	if newCompletionTokens(NewCompletionKey()).valid(a, []byte(c.of(a))) {
		t.Error("the token of another process was taken")
	}
}
