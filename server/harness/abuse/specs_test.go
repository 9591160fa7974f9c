package abuse

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// A spec was as long as a body may be and counted nowhere: 150 of 4 MB made a list
// of 572 MiB, and RSS was 4.1 GiB.
func TestSpecsAreBounded(t *testing.T) {
	const (
		specs       = 150
		specBytes   = 4_000_000
		growthBound = 300 * mib // what is garbage until the next collection; nothing is kept
	)
	v := start(t)
	env := strings.Repeat("x", specBytes)
	kept := 0
	grown := v.peakGrowth(func() {
		for i := range specs {
			a := v.call("POST", v.API+"/v1/functions", fmt.Sprintf(`{"name":"f%d","image":"none","executionMode":"LOCAL","env":{"A":"%s"}}`, i, env))
			if a.Status == http.StatusCreated {
				kept++
			}
		}
		v.call("GET", v.API+"/v1/functions", "")
	})
	if kept > 0 {
		t.Errorf("%d specs of %d bytes are kept", kept, specBytes)
	}
	v.atMost(fmt.Sprintf("%d specs of %d bytes", specs, specBytes), grown, growthBound)
	v.healthy()
}

// As many specs as are allowed, as long as is allowed, changed as often as is
// remembered, with as many small parts as fit.
func TestAllSpecsTogetherAreBounded(t *testing.T) {
	const (
		bound       = 32 * mib
		attempts    = 100
		changes     = 12
		growthBound = 6 * bound // with what is garbage until the next collection
	)
	v := start(t, "--max-spec-bytes", fmt.Sprint(bound))
	var env strings.Builder
	for i := 0; env.Len() < 240*kib; i++ {
		fmt.Fprintf(&env, `"%x":"",`, i)
	}
	full := 0
	grown := v.peakGrowth(func() {
		for i := range attempts {
			for range changes {
				a := v.call("PUT", fmt.Sprint(v.API, "/v1/functions/f", i), `{"image":"none","executionMode":"LOCAL","env":{`+env.String()+`"last":""}}`)
				switch a.Status {
				case http.StatusOK, http.StatusCreated:
				case http.StatusServiceUnavailable:
					full++
				default:
					t.Fatalf("f%d: %d %.300s", i, a.Status, a.Body)
				}
			}
			if full > changes {
				return
			}
		}
	})
	if full == 0 {
		t.Errorf("%d changes of %d functions with a spec of 240 KiB had room", changes, attempts)
	}
	v.atMost(fmt.Sprintf("all specs under a bound of %d MiB", bound/mib), grown, growthBound)
	v.healthy()
}
