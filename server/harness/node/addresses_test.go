package node

import "testing"

// Addresses that were free when they were asked for are not given again, although nobody
// listens there yet.
func TestFreeAddressesAreGivenOnce(t *testing.T) {
	seen := map[string]bool{}
	for range 40 {
		addrs, err := FreeAddresses("127.0.0.1", 25)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range addrs {
			if seen[a] {
				t.Fatalf("%s was given twice", a)
			}
			seen[a] = true
		}
	}
}
