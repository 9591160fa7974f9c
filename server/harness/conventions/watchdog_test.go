package conventions

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
)

// watchdog is a program as watchdogs of raw platforms serve it, with net/http:
// the body is the input and the answer the output, of any type; health is at a
// path of its own. Some paths are for streams.
func watchdog() {
	next := make(chan struct{})
	http.HandleFunc("/_/health", func(http.ResponseWriter, *http.Request) {})
	http.HandleFunc("/sum", func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		if _, err := io.Copy(sum, r.Body); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return
		}
		fmt.Fprintf(w, "%x", sum.Sum(nil))
	})
	http.HandleFunc("/pattern", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, &pattern{n: largeAnswer}) })
	http.HandleFunc("/next", func(w http.ResponseWriter, r *http.Request) { next <- struct{}{} })
	http.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n", i)
			w.(http.Flusher).Flush()
			select {
			case <-next:
			case <-r.Context().Done():
				return
			}
		}
	})
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
