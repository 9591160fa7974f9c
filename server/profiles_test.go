package server

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"testing"
)

// profile asks for a profile, which is no part of the documented API.
func (f *fixture) profile(base, path, token string) (status int, header http.Header, body []byte) {
	f.t.Helper()
	req, err := http.NewRequest("GET", base+"/debug/pprof/"+path, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := f.client.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, body
}

// Profiles are on the management port only, for an internal token only, and
// for nobody when there is none.
func TestProfilesAreForHoldersOfAnInternalToken(t *testing.T) {
	closed := start(t, func(c *Config) { c.InvokeToken, c.ManageToken, c.InternalToken = "i", "m", "x" })
	open := start(t, func(c *Config) { c.ManageToken = "m" })
	for _, tc := range []struct {
		f           *fixture
		base, token string
		want        int
	}{
		{closed, closed.mgmt, "", 401}, {closed, closed.mgmt, "i", 401}, {closed, closed.mgmt, "m", 401}, {closed, closed.mgmt, "x", 200}, {closed, closed.api, "x", 404},
		{open, open.mgmt, "", 403}, {open, open.mgmt, "m", 403}, {open, open.api, "m", 404},
	} {
		for _, path := range []string{"", "heap", "cmdline", "trace", "profile"} {
			want := tc.want
			if want == 200 {
				if path == "cmdline" {
					want = 404 // it may hold tokens
				} else if path != "" && path != "heap" {
					continue // below
				}
			}
			if status, _, body := tc.f.profile(tc.base, path, tc.token); status != want {
				t.Errorf("%q on %s with token %q: status %d, want %d: %.200s", path, tc.base, tc.token, status, want, body)
			}
		}
	}
}

func TestProfilesAreWhatGoToolsRead(t *testing.T) {
	f := start(t, func(c *Config) { c.InternalToken = "x" })
	for _, path := range []string{"heap", "goroutine", "allocs", "profile?seconds=1"} {
		status, _, body := f.profile(f.mgmt, path, "x")
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err == nil {
			_, err = io.Copy(io.Discard, z)
		}
		if status != 200 || err != nil {
			t.Errorf("%s: status %d, %v", path, status, err)
		}
	}
	if status, _, body := f.profile(f.mgmt, "trace?seconds=1", "x"); status != 200 || !bytes.HasPrefix(body, []byte("go 1.")) {
		t.Errorf("trace: status %d, %.20q", status, body)
	}
	if status, _, body := f.profile(f.mgmt, "goroutine?debug=2", "x"); status != 200 || !bytes.HasPrefix(body, []byte("goroutine ")) {
		t.Errorf("goroutine as text: status %d, %.20q", status, body)
	}
	for _, path := range []string{"trace?seconds=11", "trace?seconds=0", "trace?seconds=-1", "trace?seconds=x", "profile?seconds=61", "heap?seconds=1", "heap?debug=3"} {
		if status, _, body := f.profile(f.mgmt, path, "x"); status != 400 {
			t.Errorf("%s: status %d: %.200s", path, status, body)
		}
	}
}

// One profile at a time, until its last byte is sent; then the next one.
func TestOneProfileAtATime(t *testing.T) {
	f := start(t, func(c *Config) { c.InternalToken = "x" })
	first := f.collect("profile?seconds=3")
	if status := receive(t, "the first profile", first); status != 200 {
		t.Errorf("the first profile: status %d", status)
	}
	f.eventually("the next one is answered", func() bool { status, _, _ := f.profile(f.mgmt, "heap", "x"); return status == 200 })
}

// A shutdown does not wait for a profile to be complete.
func TestShutdownEndsAProfile(t *testing.T) {
	f := launch(t, func(c *Config) { c.InternalToken = "x" })
	answered := f.collect("profile?seconds=60")
	if err := f.shutdown(); err != nil {
		t.Error(err)
	}
	if status := receive(t, "the profile", answered); status != 200 {
		t.Errorf("status %d", status)
	}
}

// collect asks for a profile, and returns when another one is told to wait for
// it. Its status comes later.
func (f *fixture) collect(path string) <-chan int {
	f.t.Helper()
	status := make(chan int, 1)
	go func() {
		for {
			got, _, _ := f.profile(f.mgmt, path, "x")
			if got != 429 { // else it came while the question below was answered
				status <- got
				return
			}
		}
	}()
	f.eventually("a profile is being collected", func() bool {
		got, header, _ := f.profile(f.mgmt, "heap", "x")
		return got == 429 && header.Get("Retry-After") != ""
	})
	return status
}
