package guard

import (
	"encoding/binary"
	"errors"
)

// message is the body of a frame. Numbers are varints, strings come after their
// length, lists after their number of strings. (JSON would take a good part
// of the time between the request for a process and its start.)
type message interface {
	append(b []byte) []byte
	parse(body []byte) error
}

func (r *request) append(b []byte) []byte {
	b = appendString(appendString(b, r.Op), r.ID)
	if r.Spawn == nil {
		return b
	}
	b = appendString(appendString(b, r.Spawn.Path), r.Spawn.Dir)
	b = appendStrings(appendStrings(b, r.Spawn.Args), r.Spawn.Env)
	b = binary.AppendUvarint(binary.AppendUvarint(b, r.Spawn.MaxData), r.Spawn.MaxFileSize)
	return appendUser(appendString(appendString(b, r.Spawn.Cgroup), r.Spawn.CgroupV1), r.Spawn.User)
}

func (r *request) parse(body []byte) error {
	p := parser{rest: body}
	r.Op, r.ID = p.text(), p.text()
	if r.Op == opSpawn {
		r.Spawn = &Command{
			Path: p.text(), Dir: p.text(), Args: p.texts(), Env: p.texts(),
			MaxData: p.number(), MaxFileSize: p.number(), Cgroup: p.text(), CgroupV1: p.text(), User: p.user(),
		}
	}
	return p.end()
}

func (e *event) append(b []byte) []byte {
	b = appendString(appendString(appendString(b, e.Event), e.ID), e.Error)
	for _, n := range []int64{int64(e.PID), int64(e.Status), e.CPU} { // none is negative
		b = binary.AppendUvarint(b, uint64(n))
	}
	return b
}

func (e *event) parse(body []byte) error {
	p := parser{rest: body}
	e.Event, e.ID, e.Error = p.text(), p.text(), p.text()
	e.PID, e.Status, e.CPU = int(p.number()), int(p.number()), int64(p.number())
	return p.end()
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendStrings(b []byte, all []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(all)))
	for _, s := range all {
		b = appendString(b, s)
	}
	return b
}

// appendUser appends a user as its numbers after how many there are.
func appendUser(b []byte, u *User) []byte {
	if u == nil {
		return binary.AppendUvarint(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(2+len(u.Groups)))
	b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(u.UID)), uint64(u.GID))
	for _, g := range u.Groups {
		b = binary.AppendUvarint(b, uint64(g))
	}
	return b
}

// parser takes values off a body. After a fault it returns zero values.
type parser struct {
	rest []byte
	bad  bool
}

func (p *parser) number() uint64 {
	n, size := binary.Uvarint(p.rest)
	if size <= 0 {
		p.rest, p.bad = nil, true
		return 0
	}
	p.rest = p.rest[size:]
	return n
}

func (p *parser) text() string {
	n := p.number()
	if n > uint64(len(p.rest)) {
		p.rest, p.bad = nil, true
		return ""
	}
	s := string(p.rest[:n])
	p.rest = p.rest[n:]
	return s
}

func (p *parser) texts() (all []string) {
	for n := p.number(); n > 0 && !p.bad; n-- {
		all = append(all, p.text())
	}
	return all
}

func (p *parser) user() *User {
	n := p.number()
	if n == 0 {
		return nil
	}
	u := &User{UID: uint32(p.number()), GID: uint32(p.number())}
	for n -= min(n, 2); n > 0 && !p.bad; n-- {
		u.Groups = append(u.Groups, uint32(p.number()))
	}
	return u
}

func (p *parser) end() error {
	if p.bad || len(p.rest) > 0 {
		return errors.New("malformed frame")
	}
	return nil
}
