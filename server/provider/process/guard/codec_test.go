package guard

import (
	"reflect"
	"testing"
)

func messages() []message {
	return []message{
		&request{Op: opKill, ID: "f-1"},
		&request{Op: opSpawn, ID: "f-2", Spawn: &Command{}},
		&request{Op: opSpawn, ID: "é\x00", Spawn: &Command{
			Path: "/bin/sh", Args: []string{"sh", "", "-c"}, Env: []string{"A=1", "B=\n"}, Dir: "/tmp",
			MaxData: 1 << 63, MaxFileSize: 7, Cgroup: "/sys/fs/cgroup/x", CgroupV1: "/sys/fs/cgroup/pids/x/1",
			User: &User{UID: 1<<32 - 1, GID: 0, Groups: []uint32{4, 1 << 31}},
		}},
		&request{Op: opSpawn, ID: "f-3", Spawn: &Command{User: &User{UID: 5, GID: 6}}},
		&event{Event: evReady, PID: 1 << 22},
		&event{Event: evExited, ID: "f-3", Status: 0xff00, CPU: 1 << 60},
		&event{Event: evFailed, ID: "f-4", Error: "no such file"},
	}
}

// empty is a message of m's kind to parse into.
func empty(m message) message { return reflect.New(reflect.TypeOf(m).Elem()).Interface().(message) }

func TestMessagesSurviveTheWire(t *testing.T) {
	for _, m := range messages() {
		got := empty(m)
		if err := got.parse(m.append(nil)); err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%+v became %+v, %v", m, got, err)
		}
	}
}

// What is cut short or has something behind it is no message.
func TestMalformedMessagesAreRefused(t *testing.T) {
	for _, m := range messages() {
		whole := m.append(nil)
		for n := range whole {
			if got := empty(m); got.parse(whole[:n]) == nil {
				t.Errorf("%d of %d bytes of %+v became %+v", n, len(whole), m, got)
			}
		}
		if got := empty(m); got.parse(append(whole, 0)) == nil {
			t.Errorf("%+v with a byte more became %+v", m, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, m := range messages() {
		f.Add(m.append(nil))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, m := range []message{&request{}, &event{}} {
			if m.parse(body) != nil {
				continue
			}
			again := empty(m)
			if err := again.parse(m.append(nil)); err != nil || !reflect.DeepEqual(again, m) {
				t.Fatalf("%+v became %+v, %v", m, again, err)
			}
		}
	})
}
