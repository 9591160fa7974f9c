package jetstream

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// Redacted is addresses of servers without the passwords and tokens in them.
func Redacted(urls string) string {
	if urls == "" {
		return ""
	}
	parts := strings.Split(urls, ",")
	for i, p := range parts {
		u, err := parseURL(p)
		switch {
		case err != nil:
			parts[i] = "(an address that is none)"
		case u.User != nil:
			if _, password := u.User.Password(); !password { // then it is a token
				u.User = url.User("xxxxx")
			}
			parts[i] = u.Redacted()
		}
	}
	return strings.Join(parts, ",")
}

// CheckURLs says what is wrong with addresses of servers, without what may be secret in
// them.
func CheckURLs(urls string) error {
	if urls == "" {
		return nil
	}
	for i, p := range strings.Split(urls, ",") {
		u, err := parseURL(p)
		if err != nil || u.Host == "" {
			return fmt.Errorf("the address at place %d cannot be read: it is to be nats://HOST:PORT, or tls://, ws:// or wss://, with USER:PASSWORD@ or TOKEN@ before the host if need be, and %%XX for other characters in those", i+1)
		}
		if port := u.Port(); port != "" {
			if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
				return fmt.Errorf("the address at place %d has the port %s: 1 to 65535 are possible", i+1, port)
			}
		}
		switch u.Scheme {
		case "nats", "tls", "ws", "wss":
		default:
			return fmt.Errorf("the address at place %d begins with %s://: nats, tls, ws and wss are possible", i+1, u.Scheme)
		}
	}
	return nil
}

// parseURL reads an address; without a scheme it is one of nats.
func parseURL(text string) (*url.URL, error) {
	if text = strings.TrimSpace(text); !strings.Contains(text, "://") {
		text = "nats://" + text
	}
	return url.Parse(text)
}
