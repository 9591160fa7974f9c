package core

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A stored fact is one byte of version, one of kind, four that say which fields
// are not zero, and these fields in the order of factCoder.fields: numbers as
// varints, ids and fingerprints as 16 bytes, texts and bytes after their length.
// Another field, or another meaning of one, is another version; all versions
// there ever were can be read.

// factVersion is the version that is written.
const factVersion = 1

const factHead = 6 // bytes before the fields

// ErrFactVersion says that a fact was stored by a newer version of the program.
var ErrFactVersion = errors.New("stored by a newer version of the program")

var errFactCut = errors.New("cut short")

// AppendTo appends f's stored form to b. It allocates nothing beyond b's growth.
func (f *Fact) AppendTo(b []byte) []byte {
	start := len(b)
	c := factCoder{rest: append(b, factVersion, byte(f.Kind), 0, 0, 0, 0)}
	c.fields(f)
	binary.LittleEndian.PutUint32(c.rest[start+2:], c.set)
	return c.rest
}

// DecodeFact reads a fact's stored form. Its bytes are parts of b, its texts are
// copies. The error says what is wrong; it is ErrFactVersion if a newer version
// of the program is needed.
func DecodeFact(b []byte) (f Fact, err error) {
	if err := f.Decode(b); err != nil {
		return Fact{}, err
	}
	return f, nil
}

// Decode is DecodeFact into f, whatever f was before. Facts of one function follow
// one another as a rule: where f has its name already, that is not copied again.
// After an error f is not to be used.
func (f *Fact) Decode(b []byte) error {
	if len(b) < factHead {
		return fmt.Errorf("stored fact: %w after %d bytes", errFactCut, len(b))
	}
	if b[0] != factVersion {
		return fmt.Errorf("stored fact of format %d: %w, which knows format %d", b[0], ErrFactVersion, factVersion)
	}
	c := factCoder{reading: true, known: f.Function, rest: b[factHead:], set: binary.LittleEndian.Uint32(b[2:])}
	*f = Fact{Kind: FactKind(b[1])}
	if f.Kind.String() == unknownKind {
		return fmt.Errorf("stored fact: unknown kind %d", b[1])
	}
	c.fields(f)
	switch {
	case c.err != nil:
		return fmt.Errorf("stored fact of kind %v: %w", f.Kind, c.err)
	case c.set>>c.next != 0:
		return fmt.Errorf("stored fact of kind %v: unknown fields %#x", f.Kind, c.set>>c.next<<c.next)
	case len(c.rest) > 0:
		return fmt.Errorf("stored fact of kind %v: %d bytes too many", f.Kind, len(c.rest))
	}
	return nil
}

// factCoder writes or reads the fields of a fact, so that one list of them
// serves both.
type factCoder struct {
	reading bool
	known   string // reading: a text that need not be copied
	rest    []byte // writing: all so far; reading: what is left
	set     uint32 // a bit for each field that is not zero
	next    uint   // number of the next field
	err     error  // reading
}

// fields visits the fields in the order of their numbers.
func (c *factCoder) fields(f *Fact) {
	number(c, &f.Wall)
	c.text(&f.Function)
	number(c, &f.Registration)
	number(c, &f.Generation)
	c.bytes(&f.Data)
	c.fixed((*[16]byte)(&f.ID))
	number(c, &f.Attempt)
	c.fixed((*[16]byte)(&f.Letter))
	number(c, &f.Timeout)
	c.text(&f.Key)
	c.fixed((*[16]byte)(&f.Print))
	c.text(&f.TraceID)
	c.text(&f.TraceParent)
	c.text(&f.TraceState)
	c.bytes(&f.Input)
	c.bytes(&f.Metadata)
	number(c, &f.RetryAt)
	number(c, &f.Status)
	c.bytes(&f.Output)
	c.flag(&f.Echo)
	c.text(&f.Code)
	c.text(&f.Message)
	c.flag(&f.SharedError)
	c.flag(&f.Unwanted)
	c.flag(&f.Cold)
	number(c, &f.InitMillis)
}

// present says whether the next field is to be written or read; writing, it is
// if it is not zero.
func (c *factCoder) present(zero bool) bool {
	bit := uint32(1) << c.next
	c.next++
	if c.reading {
		return c.set&bit != 0 && c.err == nil
	}
	if !zero {
		c.set |= bit
	}
	return !zero
}

func number[T int32 | int64 | uint64 | Status](c *factCoder, v *T) {
	if !c.present(*v == 0) {
		return
	}
	if !c.reading {
		c.rest = binary.AppendVarint(c.rest, int64(*v))
		return
	}
	n, size := binary.Varint(c.rest)
	if *v = T(n); size <= 0 || int64(*v) != n {
		c.err = fmt.Errorf("field %d is no number of its range", c.next-1)
		return
	}
	c.rest = c.rest[size:]
}

func (c *factCoder) fixed(v *[16]byte) {
	if !c.present(*v == [16]byte{}) {
		return
	}
	if !c.reading {
		c.rest = append(c.rest, v[:]...)
		return
	}
	copy(v[:], c.take(uint64(len(v))))
}

func (c *factCoder) bytes(v *[]byte) {
	if !c.present(len(*v) == 0) {
		return
	}
	if !c.reading {
		c.rest = append(binary.AppendUvarint(c.rest, uint64(len(*v))), *v...)
		return
	}
	*v = c.counted()
}

func (c *factCoder) text(v *string) {
	if !c.present(*v == "") {
		return
	}
	if !c.reading {
		c.rest = append(binary.AppendUvarint(c.rest, uint64(len(*v))), *v...)
		return
	}
	if b := c.counted(); string(b) == c.known {
		*v = c.known
	} else {
		*v = string(b)
	}
}

// flag is a field whose presence is its value.
func (c *factCoder) flag(v *bool) {
	if present := c.present(!*v); c.reading {
		*v = present
	}
}

// counted reads a length and that many bytes.
func (c *factCoder) counted() []byte {
	n, size := binary.Uvarint(c.rest)
	if size <= 0 {
		c.err = errFactCut
		return nil
	}
	c.rest = c.rest[size:]
	return c.take(n)
}

func (c *factCoder) take(n uint64) []byte {
	if n > uint64(len(c.rest)) {
		c.err = errFactCut
		return nil
	}
	b := c.rest[:n:n]
	c.rest = c.rest[n:]
	return b
}
