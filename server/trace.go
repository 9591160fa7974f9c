package server

// validTraceParent reports whether b is a W3C trace context header of version
// 00 (https://www.w3.org/TR/trace-context/): 00-<32 hex>-<16 hex>-<2 hex>,
// lower case, ids not all zero. Anything else is ignored, as the standard asks.
func validTraceParent(b []byte) bool {
	if len(b) != 55 || b[0] != '0' || b[1] != '0' || b[2] != '-' || b[35] != '-' || b[52] != '-' {
		return false
	}
	return hexID(b[3:35], true) && hexID(b[36:52], true) && hexID(b[53:], false)
}

func hexID(b []byte, nonZero bool) bool {
	zero := true
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
		zero = zero && c == '0'
	}
	return !nonZero || !zero
}
