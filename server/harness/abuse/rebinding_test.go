package abuse

import "testing"

// A page whose own name was pointed here is refused on every route of both
// ports, for GET too, also with a token.
func TestReboundPagesReadNothing(t *testing.T) {
	v := start(t, "--internal-token=x")
	v.register(`{"name":"f","image":"local","executionMode":"LOCAL"}`, "Authorization", "Bearer x")
	for _, base := range []string{v.API, v.Mgmt} {
		for _, route := range []struct{ method, path, body string }{
			{"GET", "/v1/functions", ""}, {"GET", "/v1/functions/f", ""}, {"POST", "/v1/functions/f:invoke", `{"input":1}`}, {"DELETE", "/v1/functions/f", ""},
			{"GET", "/v1/admin/stats", ""}, {"GET", "/openapi.json", ""}, {"GET", "/actuator/health", ""}, {"GET", "/actuator/prometheus", ""},
			{"GET", "/ui/", ""}, {"GET", "/debug/pprof/heap", ""}, {"GET", "/nothing", ""},
		} {
			for _, origin := range []string{"", "http://evil.test:8081"} {
				a := v.call(route.method, base+route.path, route.body, "Authorization", "Bearer x", "Host", "evil.test:8081", "Origin", origin)
				if a.Status != 403 {
					t.Errorf("%s %s%s with origin %q: %d %.200s", route.method, base, route.path, origin, a.Status, a.Body)
				}
			}
		}
	}
	v.healthy() // a probe by IP address
}
