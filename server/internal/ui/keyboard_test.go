package ui_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// key presses a key, or types text, wherever the focus is.
func (pg *page) key(keys string) {
	pg.t.Helper()
	pg.do(chromedp.KeyEvent(keys))
}

// tabTo presses Tab until the focus meets a condition on the element `a`, and
// requires that each stop shows it has the focus.
func (pg *page) tabTo(what, condition string) {
	pg.t.Helper()
	for range 60 {
		pg.key(kb.Tab)
		if eval[bool](pg, `(a => Boolean(`+condition+`))(document.activeElement)`) {
			if !eval[bool](pg, `(a => a.matches(':focus-visible') && getComputedStyle(a).outlineStyle !== 'none')(document.activeElement)`) {
				pg.t.Errorf("%s has the focus but does not show it", what)
			}
			return
		}
	}
	pg.t.Fatalf("%s cannot be reached with Tab; the focus is on %s", what, eval[string](pg, `document.activeElement.outerHTML.slice(0, 200)`))
}

func TestEverythingWorksByKeyboard(t *testing.T) {
	p := startPlane(t)
	pg := open(t, p, "")
	pg.tabTo("the register button", `a.innerText === 'Register a function'`)

	// Escape closes, and gives the focus back.
	pg.key(kb.Enter)
	pg.until("the first field has the focus", `document.activeElement.name === 'name'`)
	pg.key(kb.Escape)
	pg.until("the dialog is closed", `!document.querySelector('dialog')`)
	pg.until("the focus is back", `document.activeElement.id === 'register'`)

	pg.key(kb.Enter)
	pg.until("the first field has the focus", `document.activeElement.name === 'name'`)
	pg.key("keys")
	pg.tabTo("image", `a.name === 'image'`)
	pg.key("none")
	pg.tabTo("execution mode", `a.name === 'executionMode'`)
	pg.key("L") // selects LOCAL
	pg.tabTo("a text field", `a.name === 'queueSize'`)
	if inside := eval[bool](pg, `document.querySelector('dialog').contains(document.activeElement)`); !inside {
		t.Error("the focus left the dialog")
	}
	pg.key(kb.Enter)
	pg.until("the function's page is shown", `document.querySelector('h1').innerText === 'keys'`)

	pg.tabTo("the input", `a.name === 'input'`)
	pg.run(`document.activeElement.select()`)
	pg.key("[1, 2]")
	pg.tabTo("invoke", `a.innerText === 'Invoke'`)
	pg.key(kb.Enter)
	pg.until("the result is shown", `document.querySelector('.result .badge.success')`)

	pg.tabTo("delete", `a.innerText === 'Delete'`) // around the page's end
	pg.key(kb.Enter)
	pg.until("it asks first, and the safe answer has the focus", `document.activeElement.innerText === 'Cancel'`)
	pg.tabTo("the dangerous answer", `a.innerText === 'Delete' && a.closest('dialog')`)
	pg.key(kb.Enter)
	pg.says("No function is registered yet.")
}

func TestTheSkipLinkIsFirstAndSkips(t *testing.T) {
	pg := open(t, startPlane(t), "#/config")
	pg.key(kb.Tab)
	if first := eval[string](pg, `document.activeElement.innerText`); !strings.Contains(first, "Skip") {
		t.Errorf("the first stop is %q", first)
	}
	pg.key(kb.Enter)
	pg.until("the content has the focus", `document.activeElement.id === 'main'`)
	if hash := eval[string](pg, `location.hash`); hash != "#/config" {
		t.Errorf("the view changed to %q", hash)
	}
}
