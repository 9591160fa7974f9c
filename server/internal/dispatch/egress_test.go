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
		{"2001:db8::a9fe:a9fe", true, false},               // an ordinary address that ends so
		{"64:ff9b:1::8.8.8.8", true, false},                //
		{"64:ff9b:1:a9fe:a9:fe00::", false, false},         // local-use NAT64, a prefix of 48 bits
		{"64:ff9b:1:1a9:fe:a9fe::", false, false},          // of 56
		{"64:ff9b:1:2:a9:fea9:fe00:0", false, false},       // of 64
		{"2001:0:a9fe:a9fe::1", false, false},              // Teredo, its server
		{"2001:0:808:808:0:ffff:5601:5601", false, false},  // its client, inverted
		{"2001:0:808:808:0:ffff:f7f7:f7f7", true, false},   //
		{"2001:db8::5efe:169.254.169.254", false, false},   // ISATAP
		{"2001:db8::200:5efe:168.63.129.16", false, false}, //
		{"2001:db8::200:5efe:8.8.8.8", true, false},        //
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

// Every address of the list and its neighbours, in each of its spellings.
func TestEgressMetadataAddresses(t *testing.T) {
	e, _ := NewEgress("")
	for addr, want := range map[string]bool{
		"169.254.169.254": false, "169.254.170.2": false, "169.254.170.23": false, "169.254.0.23": false, "169.254.42.42": false, "169.254.255.255": false, "169.253.255.255": true, "169.255.0.0": true,
		"fe80::a9fe:a9fe": false, "fe80::1%eth0": false, "febf:ffff::1": false, "fec0::1": true,
		"fd00:ec2::254": false, "fd00:ec2::23": false, "fd00:ec2:0:1::1": false, "fd00:ec3::254": true, "fd20:ce::254": false, "fd20:ce::253": true,
		"fd00:a9fe:a9fe::1": false, "fd00:42::42": false, "fd00::1": true,
		"168.63.129.16": false, "168.63.129.17": true, "100.100.100.200": false, "100.100.100.201": true, "192.0.0.192": false, "192.0.0.8": false, "192.0.1.1": true, "192.80.8.124": false,
		"0.0.0.0": false, "0.1.2.3": false, "224.0.0.1": false, "239.255.255.255": false, "240.0.0.1": false, "255.255.255.255": false, "::": false, "ff02::1": false,
		"127.0.0.1": true, "::1": true, "10.0.0.1": true, "192.168.1.1": true, "fc00::1": true, "1.1.1.1": true, "2606:4700::1111": true,
	} {
		spellings := []string{addr}
		if a := netip.MustParseAddr(addr); a.Is4() && addr != "0.0.0.0" && addr != "0.1.2.3" {
			raw := a.As4()
			spellings = append(spellings, "::ffff:"+addr, "64:ff9b::"+addr, "::ffff:0:"+addr,
				netip.AddrFrom16([16]byte{0x20, 0x02, raw[0], raw[1], raw[2], raw[3]}).String())
		}
		for _, s := range spellings {
			if got := e.allowed(netip.MustParseAddr(s)); got != want {
				t.Errorf("%s: allowed %v, want %v", s, got, want)
			}
			if got := e.CheckHost(s) == nil; got != want {
				t.Errorf("%s when it is registered: allowed %v, want %v", s, got, want)
			}
		}
	}
}

func TestEgressMetadataNames(t *testing.T) {
	byDefault, _ := NewEgress("")
	listed, _ := NewEgress("10.0.0.0/8")
	for host, want := range map[string]bool{"metadata.google.internal": false, "METADATA.google.internal.": false, "instance-data": false, "metadata.example": true, "google.internal": true} {
		if got := byDefault.CheckHost(host) == nil; got != want {
			t.Errorf("%s: allowed %v, want %v", host, got, want)
		}
		if listed.CheckHost(host) != nil {
			t.Errorf("%s with a list: its addresses decide", host)
		}
	}
	if _, err := byDefault.dial("metadata.google.internal:80", time.Second); err != errForbiddenAddress {
		t.Errorf("dialling by name: %v", err)
	}
}

// However an address is written, both checks say the same of it, and an IPv6
// address is never allowed whose IPv4 address is not.
func FuzzEgress(f *testing.F) {
	for _, s := range []string{"169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b:1:a9fe:a9:fe00::", "2002:a9fe:a9fe::1", "2001:0:1:2:3:4:5601:5601", "fe80::1", "::1", "8.8.8.8"} {
		a := netip.MustParseAddr(s).As16()
		f.Add(a[:])
	}
	e, _ := NewEgress("")
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) < 16 {
			return
		}
		addr := netip.AddrFrom16([16]byte(raw))
		allowed := e.allowed(addr)
		if allowed != e.allowed(addr.Unmap()) || allowed != (e.CheckHost(addr.String()) == nil) || allowed != (e.CheckHost(addr.WithZone("eth0").String()) == nil) {
			t.Errorf("%s: allowed %v, but not in another spelling", addr, allowed)
		}
		inner := netip.AddrFrom4([4]byte(raw[12:]))
		for _, prefix := range []string{"64:ff9b::/96", "::ffff:0:0/96", "64:ff9b:1::/48"} {
			if netip.MustParsePrefix(prefix).Contains(addr) && allowed && inner.IsLinkLocalUnicast() {
				t.Errorf("%s leads to %s", addr, inner)
			}
		}
	})
}
