package telemetry

import (
	"strings"
	"testing"
)

func TestTraceParentIsTakenOnlyWhenValid(t *testing.T) {
	const good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	if !validTraceParent([]byte(good)) {
		t.Errorf("%s was refused", good)
	}
	for _, bad := range []string{
		"", "00", good + "0", strings.ToUpper(good), "01" + good[2:], "ff" + good[2:],
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
		strings.Replace(good, "-", "_", 1), good[:54] + "g",
	} {
		if validTraceParent([]byte(bad)) {
			t.Errorf("%q was taken", bad)
		}
	}
}
