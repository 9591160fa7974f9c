package abuse

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Finding: any local user could listen on the port of an HTTP function, get its
// inputs and forge its answers, and could call it past all tokens.

var (
	_ = role("never-listens", func() {
		port, _ := strconv.Atoi(os.Getenv("PORT"))
		tell(os.Getenv("FILE"), port)
		select {}
	})
	_ = role("checks-its-token", checksItsToken)
)

// checksItsToken answers simplane only. On an input "leave" it gives its port up
// and lives on.
func checksItsToken() {
	port, _ := strconv.Atoi(os.Getenv("PORT"))
	tell(os.Getenv("FILE"), port)
	server := &http.Server{Addr: "127.0.0.1:" + os.Getenv("PORT")}
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Simplane-Instance-Token") != os.Getenv("SIMPLANE_INSTANCE_TOKEN") {
			http.Error(w, "this is for simplane", http.StatusForbidden)
			return
		}
		if body, _ := io.ReadAll(r.Body); strings.Contains(string(body), "leave") {
			server.Close()
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `"genuine"`)
	})
	_ = server.ListenAndServe()
	select {}
}

// squat listens on a port as soon as it is free and answers every request; the
// test fails if it gets a byte.
func squat(t *testing.T, port int) {
	t.Helper()
	var l net.Listener
	for end := time.Now().Add(hangGuard); l == nil; time.Sleep(time.Millisecond) {
		var err error
		if l, err = net.Listen("tcp4", "127.0.0.1:"+strconv.Itoa(port)); err != nil && time.Now().After(end) {
			t.Fatal(err)
		}
	}
	var got atomic.Int64
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.Add(1)
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `"forged"`)
	})}
	go server.Serve(l)
	t.Cleanup(func() {
		server.Close()
		if n := got.Load(); n > 0 {
			t.Errorf("the squatter got %d requests", n)
		}
	})
}

func TestSquatterThatIsThereBeforeTheFunction(t *testing.T) {
	v := start(t)
	file := filepath.Join(t.TempDir(), "port")
	v.register(roleSpec(t, "f", "never-listens", `"scalingConfig":{"strategy":"NONE","minReplicas":1,"maxReplicas":1}`, map[string]string{"FILE": file}))
	squat(t, told(t, file))
	_, answer := v.invoke("f", `"secret"`)
	if strings.Contains(answer, "forged") || !strings.Contains(answer, "FUNCTION_START_FAILED") {
		t.Errorf("%s", answer)
	}
}

// The function closes its listener and lives on, and the squatter takes the
// port. In the end the function is replaced, by one with another port.
func TestSquatterThatTakesOverFromTheFunction(t *testing.T) {
	v := start(t)
	file := filepath.Join(t.TempDir(), "port")
	v.register(roleSpec(t, "f", "checks-its-token", "", map[string]string{"FILE": file}))
	if _, answer := v.invoke("f", `1`); !strings.Contains(answer, "genuine") {
		t.Fatal(answer)
	}
	port := told(t, file)
	_, _ = v.invoke("f", `"leave"`)
	squat(t, port)
	eventually(t, "the function's successor is reached", func() bool {
		_, answer := v.invoke("f", `"secret"`)
		if strings.Contains(answer, "forged") {
			t.Fatal(answer)
		}
		return strings.Contains(answer, "genuine")
	})
}

// A function that looks at its token cannot be called past simplane.
func TestCallPastSimplane(t *testing.T) {
	v := start(t, "--invoke-token", "i", "--manage-token", "m")
	file := filepath.Join(t.TempDir(), "port")
	v.register(roleSpec(t, "f", "checks-its-token", "", map[string]string{"FILE": file}), "Authorization", "Bearer m")
	a := v.call("POST", v.API+"/v1/functions/f:invoke", `{"input":1}`, "Authorization", "Bearer i")
	if !strings.Contains(string(a.Body), "genuine") {
		t.Fatalf("%s", a.Body)
	}
	direct := v.call("POST", "http://127.0.0.1:"+strconv.Itoa(told(t, file)), `{"input":1}`)
	if direct.Status != http.StatusForbidden {
		t.Errorf("called past simplane: %d %s", direct.Status, direct.Body)
	}
}
