package world

// tokens makes texts of which no two are equal, so that each answer and each input
// can be told from all others. They are as long as is asked for: payloads are
// counted. A text is never changed.
type tokens struct {
	made uint64
	room []byte // where the next ones go
}

// tokenRoom is how many bytes of texts are allocated at a time.
const tokenRoom = 8 << 10

// take is n bytes, those in [from, to) the digits of a number that no other has:
// the lowest of them, if there is no room for more.
func (t *tokens) take(n, from, to int) []byte {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
	if len(t.room) < n {
		t.room = make([]byte, max(tokenRoom, n))
	}
	b := t.room[:n:n]
	t.room = t.room[n:]
	t.made++
	for i, rest := to-1, t.made; i >= from; i-- {
		b[i] = digits[rest&63]
		rest >>= 6
	}
	return b
}

// json is a JSON text of n > 2 bytes.
func (t *tokens) json(n int) []byte {
	b := t.take(n, 1, n-1)
	b[0], b[n-1] = '"', '"'
	return b
}

// text has n bytes and begins with a word.
func (t *tokens) text(word string, n int) string {
	b := t.take(n, len(word), n)
	copy(b, word)
	return string(b)
}
