package api

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

func TestAPanicIsAnsweredWith500(t *testing.T) {
	var log bytes.Buffer
	told := 0
	h := recovered(slog.New(slog.NewTextHandler(&log, nil)), func() { told++ }, func(ctx *fasthttp.RequestCtx) {
		if ctx.QueryArgs().Has("panic") {
			ctx.Response.Header.Set("X-Half-Done", "1")
			ctx.SetBodyString("half an answer")
			panic("boom, with \"quotes\"")
		}
		ctx.SetBodyString("whole")
	})
	for range 3 {
		var ctx fasthttp.RequestCtx
		ctx.Request.SetRequestURI("/actuator/health?panic")
		h(&ctx)
		body := string(ctx.Response.Body())
		if ctx.Response.StatusCode() != 500 || !strings.Contains(body, `"error":"INTERNAL_ERROR"`) {
			t.Errorf("status %d: %s", ctx.Response.StatusCode(), body)
		}
		if len(ctx.Response.Header.Peek("X-Half-Done")) > 0 || strings.Contains(body, "boom") || strings.Contains(body, "half") {
			t.Errorf("the answer shows what was going on inside: %s", ctx.Response.String())
		}
		var next fasthttp.RequestCtx
		h(&next) // and the server lives
		if next.Response.StatusCode() != 200 || string(next.Response.Body()) != "whole" {
			t.Errorf("the next request: %s", next.Response.String())
		}
	}
	if told != 3 {
		t.Errorf("of three panics %d were told", told)
	}
	if log := log.String(); strings.Count(log, "boom") < 3 || !strings.Contains(log, "recovered_test.go") {
		t.Errorf("the log has neither the panic nor its stack: %s", log)
	}
}
