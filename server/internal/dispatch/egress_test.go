package dispatch

import (
	"net/netip"
	"testing"
	"time"
)

func TestEgressDeniesMetadataUnlessAllowed(t *testing.T) {
	byDefault, _ := NewEgress("")
	listed, err := NewEgress("10.0.0.0/8, 169.254.169.254, ::1")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		addr            string
		byDefault, list bool
	}{
		{"127.0.0.1", true, false}, {"10.1.2.3", true, true}, {"169.254.169.254", false, true}, {"169.254.1.1", false, false},
		{"::ffff:169.254.1.1", false, false}, {"fe80::1", false, false}, {"fe80::1%eth0", false, false}, {"fd00:ec2::254", false, false},
		{"100.100.100.200", false, false}, {"0.0.0.0", false, false}, {"224.0.0.1", false, false}, {"::1", true, true}, {"8.8.8.8", true, false},
	} {
		addr := netip.MustParseAddr(tc.addr)
		if got := byDefault.allowed(addr); got != tc.byDefault {
			t.Errorf("%s by default: %v, want %v", tc.addr, got, tc.byDefault)
		}
		if got := listed.allowed(addr); got != tc.list {
			t.Errorf("%s with the list: %v, want %v", tc.addr, got, tc.list)
		}
	}
	if _, err := NewEgress("10.0.0.0/8,nonsense"); err == nil {
		t.Error("nonsense was taken for a range")
	}
	if _, err := byDefault.dial("169.254.169.254:80", time.Second); err == nil {
		t.Error("a metadata address was dialled")
	}
}

// An address can be written inside another one. Where the network translates
// such addresses they lead to the inner one.
func TestEgressLooksIntoTranslatedAddresses(t *testing.T) {
	byDefault, _ := NewEgress("")
	listed, _ := NewEgress("10.0.0.0/8")
	for _, tc := range []struct {
		addr            string
		byDefault, list bool
	}{
		{"::ffff:169.254.169.254", false, false},     // IPv4-mapped
		{"::ffff:a9fe:a9fe", false, false},           // the same
		{"64:ff9b::169.254.169.254", false, false},   // NAT64
		{"64:ff9b::a9fe:a9fe", false, false},         // the same
		{"64:ff9b::10.1.2.3", true, false},           // a list says what is meant, not what it is translated to
		{"64:ff9b::8.8.8.8", true, false},            //
		{"2002:a9fe:a9fe::1", false, false},          // 6to4
		{"2002:808:808::1", true, false},             //
		{"::169.254.169.254", false, false},          // IPv4-compatible, long deprecated
		{"::ffff:0:169.254.169.254", false, false},   // SIIT
		{"64:ff9b:1::169.254.169.254", false, false}, // local-use NAT64
		{"::ffff:10.1.2.3", true, true},
		{"::1", true, false},
		{"2001:db8::a9fe:a9fe", true, false}, // an ordinary address that ends so
	} {
		addr := netip.MustParseAddr(tc.addr)
		if got := byDefault.allowed(addr); got != tc.byDefault {
			t.Errorf("%s by default: %v, want %v", tc.addr, got, tc.byDefault)
		}
		if got := listed.allowed(addr); got != tc.list {
			t.Errorf("%s with the list: %v, want %v", tc.addr, got, tc.list)
		}
	}
	mapped, err := NewEgress("::ffff:10.0.0.0/104")
	if err != nil {
		t.Fatal(err)
	}
	if !mapped.allowed(netip.MustParseAddr("10.1.2.3")) || mapped.allowed(netip.MustParseAddr("11.1.2.3")) {
		t.Error("a range of mapped addresses must mean the IPv4 range")
	}
}
