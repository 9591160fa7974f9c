package sim

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"simplane/core"
)

// Core clips the texts of errors as they come in, and says so at their end. The checker keeps
// them whole, and judges what core shows by them.

// attemptMessage is how much core keeps of the message of an attempt that has failed, in
// bytes.
const attemptMessage = 256

// clipped says that got is what core keeps of a text in most bytes: the whole, or a beginning
// that ends between two characters, as long as there is room for, and how long the text was.
func clipped(got, text string, most int) bool {
	if len(text) <= most {
		return got == text
	}
	return clippedOf(got, text, most, len(text))
}

func clippedOf(got, text string, most, length int) bool {
	kept, noted := strings.CutSuffix(got, "… (clipped, "+strconv.Itoa(length)+" bytes)")
	return noted && len(got) <= most && len(got) > most-utf8.UTFMax && strings.HasPrefix(text, kept) && utf8.ValidString(kept)
}

// clippedTwice says that got is what an attempt keeps of the message of its failure, which has
// been clipped as that of an end before.
func clippedTwice(got, text string) bool {
	if len(text) <= core.MaxErrorMessage {
		return clipped(got, text, attemptMessage)
	}
	for length := core.MaxErrorMessage; length > core.MaxErrorMessage-utf8.UTFMax; length-- {
		if clippedOf(got, text, attemptMessage, length) {
			return true
		}
	}
	return false
}

// noRoom notes that an execution ends because its next attempt finds no room, after one that
// has failed with a code.
func (f *failures) noRoom(attempt int32, maxRetries int, code string) {
	if len(code) <= core.MaxErrorCode {
		f.full = fmt.Sprintf("retry %d of %d refused: the function's queue is full; the attempt failed with %s: ", attempt, maxRetries, code)
	} else {
		f.full = fmt.Sprintf("retry %d of %d refused: the function's queue is full; the attempt failed with %s", attempt, maxRetries, code[:8])
	}
}

// say compares an error with the end's; a message "" is core's own word. One that a full
// queue has added its word to begins with that.
func (f *failures) say(e *core.ExecError) bool {
	switch {
	case e == nil:
		return f.code == ""
	case e.Code != f.code:
		return false
	case f.full != "":
		rest, ok := strings.CutPrefix(e.Message, f.full)
		if strings.HasSuffix(f.full, ": ") && len(f.full)+len(f.message) <= attemptMessage { // else all of it is clipped, maybe
			ok = ok && rest == f.message
		}
		return ok
	}
	return f.message == "" || clipped(e.Message, f.message, core.MaxErrorMessage)
}
