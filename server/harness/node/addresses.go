package node

import "net"

// FreeAddresses are n different ones of a host at which nobody listens now.
func FreeAddresses(host string, n int) (addrs []string, err error) {
	for range n {
		l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			return nil, err
		}
		defer l.Close() // after the last one is found
		addrs = append(addrs, l.Addr().String())
	}
	return addrs, nil
}
