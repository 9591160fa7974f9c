package replicas

import "time"

// backoff is an exponential delay from base to max.
type backoff struct {
	base, max time.Duration
	tries     int
}

func (b *backoff) next() time.Duration {
	d := b.max
	if b.tries < 30 { // a larger shift would overflow
		d = min(d, b.base<<b.tries)
	}
	b.tries++
	return d
}

func (b *backoff) reset() { b.tries = 0 }
