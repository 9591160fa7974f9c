package core

import (
	"errors"

	"github.com/google/uuid"
)

// ID identifies an execution. It is written as a UUID.
type ID [16]byte

// IDSource hands out execution ids. Their bytes must be well spread: the store
// picks its shard from the last two. It overwrites bytes 9 to 13 with the
// execution's place, so uniqueness must not rest on those alone.
type IDSource interface {
	NewID() ID
}

// ParseID reads the 36-character UUID form.
func ParseID(s string) (ID, error) {
	if len(s) != 36 {
		// uuid.Parse takes other forms too; an execution has one name.
		return ID{}, errors.New("an execution id has 36 characters")
	}
	u, err := uuid.Parse(s)
	return ID(u), err
}

// String is the lower-case UUID form.
func (id ID) String() string { return uuid.UUID(id).String() }

// AppendTo appends the UUID form to b without allocating beyond b's growth.
func (id ID) AppendTo(b []byte) []byte {
	const digits = "0123456789abcdef"
	for i, c := range id {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			b = append(b, '-')
		}
		b = append(b, digits[c>>4], digits[c&15])
	}
	return b
}
