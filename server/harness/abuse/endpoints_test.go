package abuse

import (
	"fmt"
	"net"
	"strings"
	"testing"
)

// Metadata services of the clouds are refused when a function is registered,
// however their address is written; so are hosts and ports that are none.
func TestEndpointsThatAreRefused(t *testing.T) {
	v := start(t)
	for i, url := range []string{
		"http://169.254.169.254/latest/meta-data", "http://169.254.170.2/v2/credentials", "http://[fd00:ec2::254]/", "http://[fe80::a9fe:a9fe]/",
		"http://168.63.129.16/", "http://100.100.100.200/", "http://192.0.0.192/", "http://[fd20:ce::254]/", "http://metadata.google.internal/",
		"http://[::ffff:169.254.169.254]/", "http://[::ffff:a83f:8110]/", "http://[64:ff9b::a83f:8110]/", "http://[2002:6464:64c8::1]/", "http://[0:0:0:0:0:ffff:a9fe:a9fe]/",
		"http://2852039166/", "http://0xa9fea9fe/", "http://0xa9.0xfe.0xa9.0xfe/", "http://0251.0376.0251.0376/", "http://169.254.43518/", "http://169.254.169.254./", "http://\uff11\uff16\uff19.254.169.254/",
		"http://x@169.254.169.254/", "http://127.0.0.1:65536/", "http://127.0.0.1:99999/", "http://127.0.0.1:0/", "http://127.0.0.1:/", "http://a b/", "http://a,b/",
	} {
		a := v.call("POST", v.API+"/v1/functions", fmt.Sprintf(`{"name":"f%d","image":"i","executionMode":"POOL","endpointUrl":%q}`, i, url))
		if a.Status != 400 || !strings.Contains(string(a.Body), "endpointUrl") {
			t.Errorf("%s: %d %.300s", url, a.Status, a.Body)
		}
	}
}

// What the request line cannot have is escaped in it.
func TestEndpointsAreEscapedInTheRequestLine(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	heads := make(chan string, 1)
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		b := make([]byte, 4096)
		n, _ := c.Read(b)
		heads <- string(b[:n])
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1\r\nConnection: close\r\n\r\n1")
	}()
	v := start(t)
	v.register(fmt.Sprintf(`{"name":"f","image":"i","executionMode":"POOL","endpointUrl":"http://%s/my fn/日?a=b c"}`, ln.Addr()))
	if a := v.call("POST", v.API+"/v1/functions/f:invoke", `{"input":1}`); !strings.Contains(string(a.Body), "success") {
		t.Errorf("%s", a.Body)
	}
	if line, _, _ := strings.Cut(<-heads, "\r\n"); line != "POST /my%20fn/%E6%97%A5?a=b%20c HTTP/1.1" {
		t.Errorf("the request line is %q", line)
	}
}
