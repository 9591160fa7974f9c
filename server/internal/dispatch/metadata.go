package dispatch

import (
	"net/netip"
	"slices"
	"strings"
)

// forbidden are the addresses that a POOL function is not called at unless
// endpointAllow names them: those where clouds give credentials to whoever can
// send a request from the machine, and those that are no address of a server.
// Each has its source.
var forbidden = []netip.Prefix{
	// AWS (169.254.169.254), ECS (169.254.170.2), EKS (169.254.170.23), Azure,
	// Google, DigitalOcean, Oracle, OpenStack, Hetzner, Vultr, IBM, Tencent
	// (169.254.0.23), Scaleway (169.254.42.42): link-local, RFC 3927.
	netip.MustParsePrefix("169.254.0.0/16"),
	// OpenStack and Linode (fe80::a9fe:a9fe): link-local, RFC 4291, 2.5.6.
	// docs.openstack.org/nova/latest/user/metadata.html
	netip.MustParsePrefix("fe80::/10"),
	// AWS over IPv6: metadata (::254), EKS (::23), DNS and time.
	// docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
	netip.MustParsePrefix("fd00:ec2::/32"),
	// Google over IPv6. cloud.google.com/compute/docs/metadata/querying-metadata
	netip.MustParsePrefix("fd20:ce::254/128"),
	// Linode over IPv6. techdocs.akamai.com/cloud-computing/docs/metadata-service-api
	netip.MustParsePrefix("fd00:a9fe:a9fe::/48"),
	// Scaleway over IPv6. www.scaleway.com/en/docs/instances
	netip.MustParsePrefix("fd00:42::42/128"),
	// Azure's host: DNS, health and the guest agent's settings.
	// learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
	netip.MustParsePrefix("168.63.129.16/32"),
	// Alibaba Cloud. www.alibabacloud.com/help/en/ecs/user-guide/view-instance-metadata
	netip.MustParsePrefix("100.100.100.200/32"),
	// Oracle Cloud Classic (192.0.0.192), in the range of IETF protocols,
	// RFC 6890. docs.oracle.com/en/cloud/iaas-classic
	netip.MustParsePrefix("192.0.0.0/24"),
	// Equinix Metal. metadata.platformequinix.com
	netip.MustParsePrefix("192.80.8.124/32"),
	// "This network", multicast, reserved and broadcast: RFC 1122, 5771, 1112.
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("224.0.0.0/4"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/128"), netip.MustParsePrefix("ff00::/8"),
}

// forbiddenNames are metadata services by name, which some clouds resolve to
// addresses that differ from machine to machine.
var forbiddenNames = []string{
	"metadata.google.internal", "metadata.goog", // Google
	"instance-data", "instance-data.ec2.internal", // AWS
	"metadata.azure.internal", "metadata.azure.com", // Azure
	"metadata.digitalocean.com", "metadata.oraclecloud.com", "metadata.tencentyun.com",
	"metadata.platformequinix.com", "metadata.packet.net", "api.metadata.cloud.ibm.com",
}

func isForbidden(addr netip.Addr) bool {
	return slices.ContainsFunc(forbidden, func(p netip.Prefix) bool { return p.Contains(addr) })
}

func isForbiddenName(host string) bool {
	return slices.Contains(forbiddenNames, strings.ToLower(strings.TrimSuffix(host, ".")))
}

// embeddings are the IPv6 addresses that gateways or tunnels turn into an IPv4
// address that is written in them, and at which bytes it is.
var embeddings = []struct {
	prefix netip.Prefix
	bytes  [4]int
}{
	{netip.MustParsePrefix("::/96"), [4]int{12, 13, 14, 15}},           // IPv4-compatible, RFC 4291
	{netip.MustParsePrefix("::ffff:0:0:0/96"), [4]int{12, 13, 14, 15}}, // IPv4-translated, RFC 2765
	{netip.MustParsePrefix("64:ff9b::/96"), [4]int{12, 13, 14, 15}},    // NAT64, RFC 6052
	// NAT64 within a network, RFC 8215, with each length of RFC 6052, 2.2.
	{netip.MustParsePrefix("64:ff9b:1::/48"), [4]int{12, 13, 14, 15}},
	{netip.MustParsePrefix("64:ff9b:1::/48"), [4]int{9, 10, 11, 12}},
	{netip.MustParsePrefix("64:ff9b:1::/48"), [4]int{7, 9, 10, 11}},
	{netip.MustParsePrefix("64:ff9b:1::/48"), [4]int{6, 7, 9, 10}},
	{netip.MustParsePrefix("2002::/16"), [4]int{2, 3, 4, 5}}, // 6to4, RFC 3056
	{netip.MustParsePrefix("2001::/32"), [4]int{4, 5, 6, 7}}, // Teredo's server, RFC 4380
}

// embedded are the IPv4 addresses inside addr. Those that begin with 0 are left
// out: they are no addresses of servers, but what ::1 and the wrong lengths of
// a prefix look like.
func embedded(addr netip.Addr) (found []netip.Addr) {
	if !addr.Is6() {
		return nil
	}
	defer func() {
		found = slices.DeleteFunc(found, func(a netip.Addr) bool { return a.As4()[0] == 0 })
	}()
	raw := addr.As16()
	for _, e := range embeddings {
		if e.prefix.Contains(addr) {
			found = append(found, netip.AddrFrom4([4]byte{raw[e.bytes[0]], raw[e.bytes[1]], raw[e.bytes[2]], raw[e.bytes[3]]}))
		}
	}
	end := [4]byte(raw[12:])
	if netip.MustParsePrefix("2001::/32").Contains(addr) { // Teredo's client, inverted
		found = append(found, netip.AddrFrom4([4]byte{^end[0], ^end[1], ^end[2], ^end[3]}))
	}
	if raw[8]&^2 == 0 && raw[9] == 0 && raw[10] == 0x5e && raw[11] == 0xfe { // ISATAP, RFC 5214
		found = append(found, netip.AddrFrom4(end))
	}
	return found
}
