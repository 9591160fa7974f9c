package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Error is an answer that is not a success.
type Error struct {
	Status     int      `json:"-"`
	Code       string   `json:"error"`
	Message    string   `json:"message"`
	Details    []string `json:"details"`
	RetryAfter string   `json:"-"` // seconds, when the server said so

	// Function is the one that was asked for and is not there; empty for any other
	// answer.
	Function string `json:"-"`
}

func (e *Error) Error() string {
	text := e.Message
	if len(e.Details) > 0 {
		text = strings.Join(e.Details, "; ")
	}
	text += " (" + e.Code + ")"
	if e.RetryAfter != "" {
		text += "; try again in " + e.RetryAfter + " s"
	}
	return text
}

// BadInput tells a request that can never succeed as it is from one that
// failed this time.
func (e *Error) BadInput() bool {
	switch e.Status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

// IsStatus reports whether err is an answer with this HTTP status.
func IsStatus(err error, status int) bool {
	e, ok := err.(*Error)
	return ok && e.Status == status
}

func readError(r request, res *http.Response, raw []byte) error {
	e := &Error{Status: res.StatusCode, RetryAfter: res.Header.Get("Retry-After")}
	if json.Unmarshal(raw, e) == nil && e.Code != "" {
		e.name(r.path)
		return e
	}
	// A proxy in between, or no simplane at all.
	e.Code = fmt.Sprintf("HTTP_%d", res.StatusCode)
	e.Message = fmt.Sprintf("%s %s was not answered by simplane's API: %s", r.method, r.path, excerpt(raw))
	return e
}

// name puts into the message about something that is not there what was asked
// for: its path says so, the server's message need not.
func (e *Error) name(path string) {
	if e.Status != http.StatusNotFound {
		return
	}
	for _, kind := range []struct{ prefix, says, is string }{
		{"/v1/functions/", "function not found", "function"},
		{"/v1/executions/", "execution not found", "execution"},
	} {
		rest, ok := strings.CutPrefix(path, kind.prefix)
		tail, ok2 := strings.CutPrefix(e.Message, kind.says)
		if !ok || !ok2 {
			continue
		}
		if end := strings.IndexAny(rest, "/:?"); end >= 0 {
			rest = rest[:end]
		}
		name, err := url.PathUnescape(rest)
		if err != nil {
			continue
		}
		e.Message = fmt.Sprintf("%s %q not found%s", kind.is, name, tail)
		if kind.is == "function" {
			e.Function = name
		}
	}
}

func excerpt(raw []byte) string {
	text := strings.Join(strings.Fields(strings.ToValidUTF8(string(raw), "?")), " ")
	if text == "" {
		return "no body"
	}
	if utf8.RuneCountInString(text) > 120 {
		text = string([]rune(text)[:120]) + "…"
	}
	return text
}
