package jsonobject

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// stringEnd returns where the string ends whose first quote is before text[at];
// -1 if it is malformed or in doubt.
func stringEnd(text []byte, at int) int {
	for {
		at = plainEnd(text, at)
		if at == len(text) {
			return -1
		}
		switch c := text[at]; {
		case c == '"':
			return at + 1
		case c == '\\':
			at = escapeEnd(text, at+1)
		case c >= utf8.RuneSelf:
			at = runesEnd(text, at)
		default:
			return -1 // a control character
		}
		if at < 0 {
			return -1
		}
	}
}

const (
	ones  = 0x0101010101010101
	highs = ones << 7
)

// plainEnd returns where, from text[at] on, the first byte is that is a control
// character, a quote, a backslash or not ASCII; len(text) if there is none. It
// looks at eight bytes at once, and at four times as many while there is none:
// of a byte below n, the high bit is set in the byte minus n, unless it was set
// before.
func plainEnd(text []byte, at int) int {
	for ; at+32 <= len(text); at += 32 {
		b := text[at : at+32 : at+32]
		if (special(word(b))|special(word(b[8:]))|special(word(b[16:]))|special(word(b[24:])))&highs != 0 {
			break
		}
	}
	for ; at+8 <= len(text); at += 8 {
		if x := special(word(text[at:])) & highs; x != 0 {
			return at + bits.TrailingZeros64(x)/8
		}
	}
	for at < len(text) {
		if c := text[at]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			break
		}
		at++
	}
	return at
}

func word(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// special has, of the high bits of its bytes, that of the first byte in w, from
// the lowest on, that plainEnd looks for, and none below it. Above it a
// subtraction may have borrowed.
func special(w uint64) uint64 {
	return w | (w - ones*' ') | ((w ^ ones*'"') - ones) | ((w ^ ones*'\\') - ones)
}

// escapeEnd returns where the escape ends whose backslash is before text[at]; -1
// if it is none, or half of a surrogate pair.
func escapeEnd(text []byte, at int) int {
	if at >= len(text) {
		return -1
	}
	switch text[at] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return at + 1
	}
	switch first := hexEscape(text, at); {
	case first < 0, first>>10 == 0xdc00>>10:
		return -1
	case first>>10 != 0xd800>>10:
		return at + 5
	case at+5 < len(text) && text[at+5] == '\\' && hexEscape(text, at+6)>>10 == 0xdc00>>10:
		return at + 11
	}
	return -1
}

// hexEscape is the number in the escape u0000 at text[at]; -1 if there is none.
func hexEscape(text []byte, at int) int {
	if at+5 > len(text) || text[at] != 'u' {
		return -1
	}
	n := 0
	for _, c := range text[at+1 : at+5] {
		switch {
		case '0' <= c && c <= '9':
			n = n<<4 | int(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			n = n<<4 | int(c|0x20-'a'+10)
		default:
			return -1
		}
	}
	return n
}

// runesEnd returns where the UTF-8 ends that is not ASCII, from text[at] on; -1
// if it is malformed.
func runesEnd(text []byte, at int) int {
	for at < len(text) && text[at] >= utf8.RuneSelf {
		r, size := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && size == 1 {
			return -1
		}
		at += size
	}
	return at
}
