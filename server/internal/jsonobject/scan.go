package jsonobject

import "bytes"

// Scan reads an object that is all of text and calls member for each of its
// members. It is faster than Read, most of all where strings are long, and takes
// less: false means that the text is malformed or in doubt, or that member
// returned false, and that Read is to decide and to say what is wrong. What Scan
// takes, Read takes too, with the same members. Name and value are parts of
// text, with neither quotes around the name nor blanks around the value.
func Scan(text []byte, member func(name, value []byte) bool) bool {
	at := blanks(text, 0)
	if at == len(text) || text[at] != '{' {
		return false
	}
	at = blanks(text, at+1)
	if at < len(text) && text[at] == '}' {
		return blanks(text, at+1) == len(text)
	}
	for {
		if at == len(text) || text[at] != '"' {
			return false
		}
		end := stringEnd(text, at+1)
		if end < 0 {
			return false
		}
		name := text[at+1 : end-1]
		at = afterColon(text, end)
		if end = valueEnd(text, at); end < 0 || bytes.IndexByte(name, '\\') >= 0 || !member(name, text[at:end:end]) {
			return false
		}
		at = blanks(text, end)
		switch {
		case at == len(text):
			return false
		case text[at] == '}':
			return blanks(text, at+1) == len(text)
		case text[at] != ',':
			return false
		}
		at = blanks(text, at+1)
	}
}

// Whole reports whether text is one value, with nothing before or after it, and
// valid UTF-8 that needs no replacement anywhere. False may also mean that it is
// in doubt, as with Scan.
func Whole(text []byte) bool { return len(text) > 0 && valueEnd(text, 0) == len(text) }

// deepest is how many objects and arrays within each other valueEnd follows.
const deepest = 64

// valueEnd returns where the value ends that begins at text[at]; -1 if it is
// malformed or in doubt. It is strict: RFC 8259, valid UTF-8, and no half of a
// surrogate pair, escaped or not.
func valueEnd(text []byte, at int) int {
	var objects uint64 // a bit for each level, set for an object, the innermost lowest
	depth := 0
	for {
		if at < 0 || at >= len(text) {
			return -1
		}
		switch c := text[at]; c {
		case '"':
			at = stringEnd(text, at+1)
		case '{', '[':
			if depth == deepest {
				return -1
			}
			objects <<= 1
			depth++
			at = blanks(text, at+1)
			switch {
			case at == len(text):
				return -1
			case text[at] == c+2: // } or ], empty
				objects >>= 1
				depth--
				at++
			case c == '{':
				objects |= 1
				at = afterName(text, at)
				continue
			default:
				continue
			}
		case 't':
			at = literalEnd(text, at, "true")
		case 'f':
			at = literalEnd(text, at, "false")
		case 'n':
			at = literalEnd(text, at, "null")
		default:
			at = numberEnd(text, at)
		}
		// A value has ended at at.
		for {
			if at < 0 || depth == 0 {
				return at
			}
			at = blanks(text, at)
			if at == len(text) {
				return -1
			}
			c, inObject := text[at], objects&1 == 1
			at++
			if c == '}' && inObject || c == ']' && !inObject {
				objects >>= 1
				depth--
				continue
			}
			if c != ',' {
				return -1
			}
			if at = blanks(text, at); inObject {
				at = afterName(text, at)
			}
			break
		}
	}
}

// afterName returns where the value begins of the member at text[at]; -1 if
// there is none.
func afterName(text []byte, at int) int {
	if at >= len(text) || text[at] != '"' {
		return -1
	}
	return afterColon(text, stringEnd(text, at+1))
}

// afterColon returns where the value begins after a name that ends at at; -1 if
// there is no colon.
func afterColon(text []byte, at int) int {
	if at < 0 {
		return -1
	}
	if at = blanks(text, at); at == len(text) || text[at] != ':' {
		return -1
	}
	return blanks(text, at+1)
}

// blanks returns where the white space at text[at] ends.
func blanks(text []byte, at int) int {
	for at < len(text) && (text[at] == ' ' || text[at] == '\n' || text[at] == '\r' || text[at] == '\t') {
		at++
	}
	return at
}

func literalEnd(text []byte, at int, literal string) int {
	if end := at + len(literal); end <= len(text) && string(text[at:end]) == literal {
		return end
	}
	return -1
}

// numberEnd returns where the number at text[at] ends; -1 if there is none.
func numberEnd(text []byte, at int) int {
	if text[at] == '-' {
		at++
	}
	end := digits(text, at)
	if end == at || text[at] == '0' && end > at+1 {
		return -1
	}
	if at = end; at < len(text) && text[at] == '.' {
		if end = digits(text, at+1); end == at+1 {
			return -1
		}
		at = end
	}
	if at < len(text) && text[at]|0x20 == 'e' {
		if at++; at < len(text) && (text[at] == '+' || text[at] == '-') {
			at++
		}
		if end = digits(text, at); end == at {
			return -1
		}
		at = end
	}
	return at
}

func digits(text []byte, at int) int {
	for at < len(text) && '0' <= text[at] && text[at] <= '9' {
		at++
	}
	return at
}
