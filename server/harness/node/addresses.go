package node

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"syscall"
)

// Ports that the kernel gives to nobody by itself: it takes those of connections, and of
// listeners that ask for any port, from 32768 on (Linux, net.ipv4.ip_local_port_range). A
// port of those may be another's, or the near end of the very connection that looks for a
// listener there, before the listener comes.
const firstPort, pastPorts = 10_000, 32_768

// reserved keeps the ports that FreeAddresses has given.
var reserved struct {
	mu    sync.Mutex
	names []net.Listener
}

// reserve claims a port among the programs of this machine that ask here, until this one
// ends: other tests, which run side by side, get others. The claim is a name of an abstract
// Unix socket, which goes with the process.
func reserve(port int) error {
	name, err := net.Listen("unix", "@simplane-harness-port-"+strconv.Itoa(port))
	if err != nil {
		return err
	}
	reserved.mu.Lock()
	defer reserved.mu.Unlock()
	reserved.names = append(reserved.names, name)
	return nil
}

// FreeAddresses are n different ones of a host at which nobody listens now. No other call
// gets them.
func FreeAddresses(host string, n int) (addrs []string, err error) {
	for len(addrs) < n {
		port := firstPort + rand.IntN(pastPorts-firstPort)
		err := reserve(port)
		var l net.Listener
		if err == nil {
			l, err = net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		}
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return nil, err
		}
		defer l.Close() // after the last one is found
		addrs = append(addrs, l.Addr().String())
	}
	return addrs, nil
}
