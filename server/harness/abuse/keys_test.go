package abuse

import (
	"net/http"
	"strings"
	"sync"
	"testing"
)

// An idempotency key is easily guessed: an order's number, say. It gave whoever
// sent it the output of the first request under it.
func TestAGuessedKeyGivesNothing(t *testing.T) {
	const (
		secret  = "4111-1111-1111-1111"
		guesses = 50
	)
	v := start(t)
	v.register(`{"name":"pay","image":"none","executionMode":"LOCAL"}`)
	invoke := v.API + "/v1/functions/pay:invoke"
	first := `{"input":{"card":"` + secret + `"},"metadata":{"for":"alice"}}`
	guess := func() {
		for _, body := range []string{`{"input":{}}`, `{"input":{"card":"` + secret + `"}}`, `{"input":{"card":"x"},"metadata":{"for":"alice"}}`} {
			for _, action := range []string{":invoke", ":enqueue"} {
				a := v.call("POST", v.API+"/v1/functions/pay"+action, body, "Idempotency-Key", "order-1")
				if strings.Contains(string(a.Body), "executionId") || strings.Contains(string(a.Body), secret) {
					t.Errorf("%s%s was answered with %d %s", body, action, a.Status, a.Body)
				}
				if a.Status != http.StatusUnprocessableEntity {
					t.Errorf("%s%s was answered with %d %s", body, action, a.Status, a.Body)
				}
			}
		}
	}
	// The owner's retries and the guesses come at once.
	if a := v.call("POST", invoke, first, "Idempotency-Key", "order-1"); a.Status != http.StatusOK {
		t.Fatalf("the first request: %d %s", a.Status, a.Body)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range guesses {
				guess()
			}
		})
		all.Go(func() {
			for range guesses {
				if a := v.call("POST", invoke, first, "Idempotency-Key", "order-1"); a.Status != http.StatusOK || !strings.Contains(string(a.Body), secret) {
					t.Errorf("the owner's retry: %d %s", a.Status, a.Body)
				}
			}
		})
	}
	all.Wait()
}
