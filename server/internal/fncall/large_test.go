package fncall

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Large inputs arrive whole, and large answers are kept whole while others
// come, in little more memory than they are long.
func TestLargeInputsAndAnswers(t *testing.T) {
	target := peer(t, func(c net.Conn, r *http.Request, n int) bool {
		body, _ := io.ReadAll(r.Body)
		var m struct{ Input, Metadata json.RawMessage }
		if err := json.Unmarshal(body, &m); err != nil || string(m.Metadata) != `{"m":"v"}` {
			t.Errorf("call %d: %v, metadata %s", n, err, m.Metadata)
		}
		if n%3 == 0 {
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(m.Input), m.Input)
			return true
		}
		answer(c, string(m.Input))
		return true
	})
	var sent, got [][]byte
	for i := range 12 {
		for _, size := range []int{10, largeInput - 1, largeInput, 100_000, 1_000_000} {
			in := []byte(`"` + strings.Repeat(string(rune('a'+i)), size-2) + `"`)
			a, err := target.Call(&Request{ExecutionID: "e", Input: in, Metadata: []byte(`{"m":"v"}`), Deadline: time.Now().Add(time.Minute)})
			if err != nil {
				t.Fatal(err)
			}
			if held := cap(a.Output); held > 8*len(a.Output)/7+512 {
				t.Errorf("%d bytes of output hold %d", len(a.Output), held)
			}
			sent, got = append(sent, in), append(got, a.Output)
		}
	}
	for i := range sent {
		if !bytes.Equal(sent[i], got[i]) {
			t.Errorf("call %d: %d bytes came for %d, or others", i, len(got[i]), len(sent[i]))
		}
	}
}

func TestOwnBoundsWhatIsHeld(t *testing.T) {
	whole := make([]byte, 1000, 1024)
	if part := whole[50:950]; &Own(part, whole)[0] != &part[0] {
		t.Error("a part that is nearly all was copied")
	}
	if part := whole[50:900]; &Own(part, whole)[0] == &part[0] {
		t.Error("a part that is not nearly all was not copied")
	}
}
