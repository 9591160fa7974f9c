package process

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"

	"simplane/server/provider/process/guard"
)

// Identity is a user that functions run as.
type Identity struct {
	name, home string
	uid, gid   uint32
	groups     []uint32
	other      bool // than simplane's own
}

func ownIdentity() Identity {
	return Identity{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}
}

// LookUpUser finds the user of a text USER or USER:GROUP, each by its name or
// number. A number without an account needs a group. Only root can start
// processes of another user.
func LookUpUser(text string) (Identity, error) {
	who, group, _ := strings.Cut(text, ":")
	u, err := user.Lookup(who)
	if err != nil {
		if found, idErr := user.LookupId(who); idErr == nil {
			u, err = found, nil
		}
	}
	i := Identity{home: "/"}
	if err == nil {
		i.name, i.home = u.Username, u.HomeDir
		i.uid, i.gid = number(u.Uid), number(u.Gid)
		ids, _ := u.GroupIds() // without them it has fewer rights
		for _, id := range ids {
			i.groups = append(i.groups, number(id))
		}
	} else {
		n, bad := strconv.ParseUint(who, 10, 32)
		if bad != nil || n == 1<<32-1 {
			return Identity{}, fmt.Errorf("there is no user %q", who)
		}
		if group == "" {
			return Identity{}, fmt.Errorf("user %s has no account: give its group too, as %s:GROUP", who, who)
		}
		i.uid = uint32(n)
	}
	if group != "" {
		n, bad := strconv.ParseUint(group, 10, 32)
		if g, err := user.LookupGroup(group); err == nil {
			n, bad = uint64(number(g.Gid)), nil
		}
		if bad != nil || n == 1<<32-1 {
			return Identity{}, fmt.Errorf("there is no group %q", group)
		}
		i.gid, i.groups = uint32(n), nil
	}
	i.other = i.uid != uint32(os.Geteuid()) || i.gid != uint32(os.Getegid())
	if i.other && os.Geteuid() != 0 {
		return Identity{}, errors.New("only root can run functions as another user")
	}
	return i, nil
}

func number(text string) uint32 {
	n, _ := strconv.ParseUint(text, 10, 32)
	return uint32(n)
}

// own gives a file to the user.
func (u Identity) own(f *os.File) error {
	if !u.other {
		return nil
	}
	return f.Chown(int(u.uid), int(u.gid))
}

// credentials are what the guard needs to start a process of the user; nil for
// its own.
func (u Identity) credentials() *guard.User {
	if !u.other {
		return nil
	}
	return &guard.User{UID: u.uid, GID: u.gid, Groups: u.groups}
}

// variables are those that a login would set.
func (u Identity) variables() map[string]string {
	if !u.other {
		return nil
	}
	vars := map[string]string{"HOME": u.home}
	if u.name != "" {
		vars["USER"], vars["LOGNAME"] = u.name, u.name
	}
	return vars
}
