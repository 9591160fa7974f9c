package process

import (
	"os"
)

// identity is the user that functions run as.
type identity struct {
	uid, gid uint32
	other    bool // than simplane's own
}

func ownIdentity() identity {
	return identity{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}
}

// own gives a file to the user.
func (u identity) own(f *os.File) error {
	if !u.other {
		return nil
	}
	return f.Chown(int(u.uid), int(u.gid))
}
