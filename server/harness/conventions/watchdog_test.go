package conventions

import (
	"fmt"
	"io"
	"net/http"
	"os"
)

// watchdog is a program as watchdogs of raw platforms serve it, with net/http:
// the body is the input and the answer the output, of any type; health is at a
// path of its own.
func watchdog() {
	health := 0
	http.HandleFunc("/_/health", func(http.ResponseWriter, *http.Request) { health++ })
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/octet-stream")
		fmt.Fprintf(w, "%s %s %s", r.Method, r.Header.Get("Content-Type"), body)
	})
	if err := http.ListenAndServe("0.0.0.0:"+os.Getenv("PORT"), nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
