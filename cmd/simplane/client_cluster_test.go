package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestClusterStatusShowsNodesAndPartitions(t *testing.T) {
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/admin/cluster" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"node":"a","serving":false,"reason":"cut off from the cluster's engine","members":[
			{"name":"a","life":"1","peer":"127.0.0.1:1","version":"v1","alive":true,"lastSeenMillis":640,"partitions":2},
			{"name":"b","life":"2","peer":"127.0.0.1:2","version":"v1","alive":false,"lastSeenMillis":9000,"partitions":0},
			{"name":"c","life":"3","peer":"127.0.0.1:3","version":"v1","alive":true,"leaving":true,"lastSeenMillis":10,"partitions":1}],
			"partitionsOwned":3,"partitionsTotal":256,"lagFacts":7,
			"partitions":[{"partition":0,"state":"open","owner":"a","epoch":17,"lagFacts":7},{"partition":1,"state":"lost","epoch":3,"error":"partition 1: frame 4 is missing"}]}`)
	}))
	defer node.Close()
	got := runCLI(t, "", "cluster", "status", "--server", node.URL)
	for _, want := range []string{"a     alive    2           600ms ago", "b     gone", "c     leaving", "does not serve: cut off from the cluster's engine", "Of 256 partitions 3 have an owner; 7 facts", "Closed: partition 1: frame 4 is missing.\n"} {
		if got.code != 0 || !strings.Contains(got.out, want) {
			t.Errorf("exit %d, want %q in\n%s%s", got.code, want, got.out, got.err)
		}
	}
	got = runCLI(t, "", "cluster", "status", "--partitions", "--server", node.URL)
	for _, want := range []string{"0          a      17     open  7", "1          -      3      lost  0", "Closed: partition 1: frame 4 is missing.\n"} {
		if !strings.Contains(got.out, want) {
			t.Errorf("want %q in\n%s%s", want, got.out, got.err)
		}
	}
	if got = runCLI(t, "", "cluster", "status", "-o", "json", "--server", node.URL); !strings.Contains(got.out, `"epoch"`) {
		t.Errorf("%s%s", got.out, got.err)
	}
}

func TestClusterStatusOfAServerByItself(t *testing.T) {
	p := startPlane(t)
	if got := p.cli("cluster", "status"); got.code == 0 || !strings.Contains(got.err, "by itself") {
		t.Errorf("exit %d: %s%s", got.code, got.out, got.err)
	}
}
