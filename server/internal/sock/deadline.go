package sock

import (
	"errors"
	"os"
	"time"
)

// deadline is the deadline of one direction of a connection: the requested
// time, and the time that the runtime's timer is set to. The zero value is
// none.
//
// Each request moves a connection's deadlines later. Setting the timer each
// time costs more than decoding the request, so a later deadline does not set
// it, and a wait that the timer ends too early is resumed.
type deadline struct{ want, armed time.Time }

// set sets the deadline to t, zero for none. It reports whether the timer
// must be set to t now.
func (d *deadline) set(t time.Time) bool {
	d.want = t
	if t.IsZero() || !d.armed.IsZero() && !t.Before(d.armed) {
		return false
	}
	d.armed = t
	return true
}

// early reports whether err comes from a timer that went off before the
// deadline. Then the timer must be set to d.want, and the call be made again.
func (d *deadline) early(err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) || !d.want.IsZero() && !time.Now().Before(d.want) {
		return false
	}
	d.armed = d.want
	return true
}
