package sock

import (
	"testing"
	"time"
)

// What has come is counted wherever it is: in the kernel, or read ahead.
func TestArrivedCountsWhatHasNotBeenRead(t *testing.T) {
	c, peer := pair(t)
	if got := New(c.Socket, nil).Arrived(); got != 0 {
		t.Errorf("before any wait: %d bytes", got)
	}
	sends(t, peer, "x")
	if err := c.Await(); err != nil {
		t.Fatal(err)
	}
	sends(t, peer, string(pattern(20_000)))
	for deadline := time.Now().Add(30 * time.Second); c.Arrived() < 20_001; time.Sleep(ms) {
		if time.Now().After(deadline) {
			t.Fatalf("20001 bytes were sent, %d have come", c.Arrived())
		}
	}
	arrives(t, c, "x")
	if got := c.Arrived(); got != 20_000 {
		t.Errorf("20001 bytes have come and 1 was read: %d are left", got)
	}
	arrives(t, c, string(pattern(20_000)))
	if got := c.Arrived(); got != 0 {
		t.Errorf("all was read: %d are left", got)
	}
	_ = c.Close()
	if got := c.Arrived(); got != 0 {
		t.Errorf("closed: %d are left", got)
	}
}
