package server

import "unsafe"

// unsafeString views b as a string without copying. The view lives as long as
// the request it came from: core copies what it keeps (Request.Borrowed).
func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
