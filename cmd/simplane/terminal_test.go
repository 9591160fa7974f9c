package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/term"
)

// What terminals obey: a sequence that clears the screen and sets the title, C1
// controls, in UTF-8 and as bytes, a carriage return, right-to-left overrides,
// and invisible tags.
const evil = "a\x1b[2J\x1b]0;title\x07b\u009b2Jc\rd\u202ee\u2066f\u2069g\x7fh\u2028i\u200fj\U000e0041k\x00\x08l"

func TestVisible(t *testing.T) {
	for text, want := range map[string]string{
		"":                     "",
		"plain, é 日本 🙂\tx\n":   "plain, é 日本 🙂\tx\n",
		"👩\u200d💻":             "👩\u200d💻",
		"\x1b[31mred\x1b[0m":   `\u001b[31mred\u001b[0m`,
		"\u009b31m":            `\u009b31m`,
		"\x9b31m\xff":          `\x9b31m\xff`,
		"a\r\nb\rc":            "a\nb\\u000dc",
		"\u202etxt.exe":        `\u202etxt.exe`,
		"\U000e0041":           `\udb40\udc41`,
		"\ufeff\u061c\u00ad":   `\ufeff\u061c\u00ad`,
		"\u2028\u2029\x00\x7f": `\u2028\u2029\u0000\u007f`,
	} {
		if got := visible(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := oneLine("a\nb\tc\x1b"); got != `a\nb\tc\u001b` {
		t.Errorf("one line: %q", got)
	}
}

// Whatever pieces it comes in, it is shown the same, and obeyed in none.
func TestScreenInPieces(t *testing.T) {
	for _, text := range []string{evil, "é\xc2\r\n日\xe6\x97\r", "\x9b\xf0\x9f\x99\xe2\x80\xae\r\r\n", "\xed\xa0\x80\xc0\x80"} {
		for at := range len(text) {
			for to := at; to <= len(text); to++ {
				var got bytes.Buffer
				s := &screen{to: &got}
				for _, part := range []string{text[:at], text[at:to], text[to:]} {
					if n, err := s.Write([]byte(part)); n != len(part) || err != nil {
						t.Fatalf("%d, %v", n, err)
					}
				}
				flushScreen(s)
				if shown := got.String(); shown != visible(text) {
					t.Errorf("%q cut at %d and %d: %q, in one piece %q", text, at, to, shown, visible(text))
				} else if problem := obeys(shown); problem != "" {
					t.Errorf("%q: %s", shown, problem)
				}
			}
		}
	}
}

// obeys says what a terminal would obey in text; "" for nothing.
func obeys(text string) string {
	if !utf8.ValidString(text) {
		return "bytes that are not UTF-8"
	}
	for _, r := range text {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || strings.ContainsRune("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029\ufeff", r) || r >= 0xe0000 && r < 0xe0080 {
			return fmt.Sprintf("%U", r)
		}
	}
	return ""
}

// Every command that shows what a server answers, against one that answers with
// nothing good, on a terminal and into a pipe.
func TestHostileAnswersOnATerminal(t *testing.T) {
	quoted, _ := json.Marshal(evil)
	fill := func(text string) string {
		// Once as escapes, once as the bytes themselves, where JSON allows it.
		raw := strings.Map(func(r rune) rune {
			if r < ' ' {
				return -1
			}
			return r
		}, evil)
		return strings.NewReplacer("EVIL", strings.Trim(string(quoted), `"`)+raw).Replace(text)
	}
	const execution = `{"executionId":"EVIL","functionName":"EVIL","status":"error","attempt":1,"error":{"code":"EVIL","message":"EVIL"},"output":{"EVIL":"EVIL"},"input":"EVIL"}`
	answers := map[string]string{
		"GET /v1/functions":                         `[{"name":"EVIL","image":"EVIL","executionMode":"EVIL","runtimeMode":"EVIL"}]`,
		"GET /v1/functions/f":                       `{"name":"EVIL","image":"EVIL","env":{"EVIL":"EVIL"},"commands":["EVIL"]}`,
		"POST /v1/functions/f:invoke":               execution,
		"POST /v1/functions/f:enqueue":              `{"executionId":"EVIL","status":"queued"}`,
		"GET /v1/executions/e":                      execution,
		"GET /v1/admin/executions":                  `{"executions":[` + execution + `]}`,
		"GET /v1/functions/f/dead-letters":          `{"function":"EVIL","deadLetters":[` + execution + `]}`,
		"POST /v1/functions/f/dead-letters:redrive": `{"redriven":[{"id":"EVIL","executionId":"EVIL"}],"failed":[{"id":"EVIL","code":"EVIL","message":"EVIL"}]}`,
		"GET /v1/admin/runtime-config":              `{"revision":1,"EVIL":"EVIL"}`,
		"GET /v1/admin/runtime-config/history":      `{"changes":[{"revision":1,"who":"EVIL","remote":"EVIL","changes":[{"key":"EVIL","from":"EVIL","to":"EVIL"}]}]}`,
		"GET /v1/admin/stats":                       `{"functions":{"EVIL":{"metricsError":"EVIL"}}}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/logs") {
			_, _ = io.WriteString(w, evil+"\x9b\n")
			return
		}
		w.Header().Set("Content-Type", "application/json")
		answer, known := answers[r.Method+" "+r.URL.Path]
		if !known {
			w.WriteHeader(http.StatusBadRequest)
			answer = `{"error":"EVIL","message":"EVIL","details":["EVIL"]}`
		}
		_, _ = io.WriteString(w, fill(answer))
	}))
	defer server.Close()
	for _, line := range []string{
		"fn list", "fn list -o json", "fn get f", "fn get f -o json", "fn get unknown", "fn logs f", "fn logs f -o json", "invoke f", "invoke f -o json", "invoke unknown",
		"enqueue f", "enqueue f -o json", "exec get e", "exec get e -o json", "exec list", "exec watch e", "exec watch e -o json", "dlq list f", "dlq list f -o json", "dlq redrive f --all",
		"config get", "config history", "config set EVIL=1", "top -o json", "top",
	} {
		args := append(strings.Fields(strings.ReplaceAll(line, "EVIL", "\x1b[2J")), "--server", server.URL)
		if line != "top" { // live on a terminal, with sequences of its own
			shown := onPseudoTerminal(t, args)
			if problem := obeys(shown); problem != "" || shown == "" {
				t.Errorf("%s: %s in %q", line, problem, shown)
			}
		}
		if line == "fn logs f" {
			if piped := runCLI(t, "", args...); piped.out != evil+"\x9b\n" {
				t.Errorf("logs into a pipe: %q", piped.out)
			}
		}
	}
	if piped := runCLI(t, "", "top", "--server", server.URL, "--interval", "100ms"); strings.Contains(strings.SplitN(piped.out, "is not scaled", 2)[0], "\x1b") {
		t.Errorf("top: %q", piped.out)
	}
}

// onPseudoTerminal runs a command line with both outputs on a terminal that
// changes nothing, and returns what came there.
func onPseudoTerminal(t *testing.T, args []string) string {
	t.Helper()
	master, terminal := openTerminal(t)
	if _, err := term.MakeRaw(int(terminal.Fd())); err != nil {
		t.Fatal(err)
	}
	read := make(chan string)
	go func() { b, _ := io.ReadAll(master); read <- string(b) }() // ends with an error when the terminal closes
	runWith(args, strings.NewReader(""), terminal, terminal)
	_ = terminal.Close()
	return <-read
}
