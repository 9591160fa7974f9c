package jetstream

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"simplane/core"
)

// subjects are the names of what is in the streams.
type subjects struct{ name string }

func (s subjects) frames(p core.Partition) string {
	return s.name + ".f." + strconv.Itoa(int(p))
}
func (s subjects) own(p core.Partition) string { return s.ownPrefix() + strconv.Itoa(int(p)) }
func (s subjects) node(name string) string     { return s.nodePrefix() + escape(name) }
func (s subjects) set(key string) string       { return s.setPrefix() + escape(key) }

func (s subjects) ownPrefix() string  { return s.name + ".own." }
func (s subjects) nodePrefix() string { return s.name + ".node." }
func (s subjects) setPrefix() string  { return s.name + ".set." }

// hearing is of messages that are in no stream.
func (s subjects) hearing() string { return s.name + ".hearing" }

// partition is that of a subject of ownership.
func (s subjects) partition(subject string) (core.Partition, error) {
	p, err := strconv.ParseUint(strings.TrimPrefix(subject, s.ownPrefix()), 10, 8)
	if err != nil || !strings.HasPrefix(subject, s.ownPrefix()) {
		return 0, fmt.Errorf("cluster: message of subject %q, which names no partition", subject)
	}
	return core.Partition(p), nil
}

// escape makes one token of a subject out of a text: no dot, star, arrow or space.
func escape(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func unescape(token string) (string, error) { return url.PathUnescape(token) }
