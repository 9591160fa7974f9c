package httpjson

import "unsafe"

// Clip shortens untrusted text for a message.
func Clip(b []byte, n int) string {
	if len(b) > n {
		return string(b[:n]) + "…"
	}
	return string(b)
}

// UnsafeString views b as a string without copying. The view lives as long as
// the request it came from: core copies what it keeps (Request.Borrowed).
func UnsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
