package container

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/moby/moby/client"
)

// A stand-in for Podman: reached over ports if it runs without root, and then it keeps no
// limits under control groups of version 1, whatever it says.
func TestPodmanWithoutRoot(t *testing.T) {
	for _, tc := range []struct {
		rootless bool
		cgroups  string
		unheld   int
	}{{false, "1", 0}, {true, "2", 0}, {true, "1", 3}} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Api-Version", "1.41")
			w.Header().Set("Content-Type", "application/json")
			switch path := r.URL.Path; {
			case strings.HasSuffix(path, "/info"):
				fmt.Fprintf(w, `{"SecurityOptions":["name=seccomp,profile=default"],"MemoryLimit":true,"CpuCfsQuota":true,"PidsLimit":true,"CgroupVersion":%q,"Rootless":%v}`, tc.cgroups, tc.rootless)
			case strings.HasSuffix(path, "/version"):
				fmt.Fprint(w, `{"Components":[{"Name":"Podman Engine","Version":"4.3.1"}],"ApiVersion":"1.41"}`)
			case strings.Contains(path, "/networks/"):
				fmt.Fprint(w, `{"Name":"own","Id":"1","IPAM":{"Config":[{"Subnet":"10.89.0.0/24"}]}}`)
			default:
				w.WriteHeader(http.StatusNotFound)
				fmt.Fprint(w, `{"message":"no such thing"}`)
			}
		}))
		c, err := client.New(client.WithHost("tcp://" + s.Listener.Addr().String()))
		if err != nil {
			t.Fatal(err)
		}
		p := &Provider{opt: Options{Client: c, Reach: ReachAuto, Network: "own"}}
		w, err := newEngine(p).ask(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if w.ports != tc.rootless || len(w.unheld) != tc.unheld || !w.podman {
			t.Errorf("rootless %v, control groups %s: ports %v, not held %v, podman %v", tc.rootless, tc.cgroups, w.ports, w.unheld, w.podman)
		}
		_ = c.Close()
		s.Close()
	}
}
