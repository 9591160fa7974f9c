package epollload

import (
	"encoding/hex"
	"math/rand/v2"

	"simplane/bench/loadgen"
)

// requests is the sequence of requests of one run: that of its seed, whichever
// connections they go out on.
type requests struct {
	all    []request
	picker *loadgen.Picker
	keyed  bool
	keys   int // that many different keys; below 0 each is a fresh one
	rng    *rand.Rand
	nonce  uint64 // sets this run's keys apart from those of earlier runs
	sent   uint64
}

func newRequests(o loadgen.Options) (r *requests, addr string, err error) {
	r = &requests{keyed: o.Idempotency != 0, keys: o.Idempotency, nonce: rand.Uint64()}
	if r.all, addr, err = encodeAll(o); err != nil {
		return nil, "", err
	}
	if len(r.all) > 1 {
		r.picker = loadgen.NewPicker(o.Targets, o.Seed, 0)
	}
	if r.keyed {
		r.rng = rand.New(rand.NewPCG(o.Seed, 1))
	}
	return r, addr, nil
}

// next returns the bytes of the next request. With keys they are valid until
// the call after.
func (r *requests) next() []byte {
	i := int32(0)
	if r.picker != nil {
		i = r.picker.Next().Path
	}
	q := r.all[i]
	if r.keyed {
		n := r.sent
		if r.keys > 0 {
			n = uint64(r.rng.IntN(r.keys)) // #nosec G115 -- not negative
		}
		r.sent++
		writeKey(q.bytes[q.key:q.key+keyDigits], r.nonce, n)
	}
	return q.bytes
}

// writeKey writes run and number as 32 hexadecimal digits.
func writeKey(to []byte, run, n uint64) {
	var b [keyDigits / 2]byte
	for i := range 8 {
		b[i], b[8+i] = byte(run>>(56-8*i)), byte(n>>(56-8*i))
	}
	hex.Encode(to, b[:])
}
