package abuse

import "testing"

// A request that means well costs next to nothing: the measure that the other
// tests use is known to be near zero for it.
func TestGoodRequestsCostNothing(t *testing.T) {
	v := start(t)
	v.register(`{"name":"f","image":"local","executionMode":"LOCAL"}`)
	grown := v.peakGrowth(func() {
		for range 20 {
			if a := v.call("POST", v.API+"/v1/functions/f:invoke", `{"input":1}`); a.Status != 200 {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
		}
		v.healthy()
	})
	v.atMost("20 invocations", grown, 8*mib)
}
