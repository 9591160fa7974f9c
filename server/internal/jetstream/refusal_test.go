package jetstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"simplane/core/cluster"
	"simplane/server/harness/node"
)

// alone is a server that is none of a cluster and syncs when it likes, with a user
// of its system account.
func alone(t *testing.T) *server.Server {
	t.Helper()
	system := server.NewAccount("SYS")
	s, err := server.NewServer(&server.Options{
		ServerName: "alone", Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true,
		JetStream: true, StoreDir: t.TempDir(),
		Accounts: []*server.Account{system}, SystemAccount: "SYS",
		Users: []*server.User{{Username: "u", Password: "p"}, {Username: "s", Password: "p", Account: system}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the server does not come up")
	}
	return s
}

func TestServersThatCannotKeepIt(t *testing.T) {
	s := alone(t)
	at := func(user string) string { return fmt.Sprintf("nats://%s:p@%s", user, s.Addr()) }
	for _, c := range []struct {
		o    Options
		says string
	}{
		{Options{}, "no address"},
		{Options{URL: at("u"), Replicas: 2}, "2 replicas"},
		{Options{URL: at("u"), Replicas: 1}, "--cluster-unsafe"},
		{Options{URL: at("u"), Name: "a.b"}, `"a.b"`},
		{Options{URL: at("u"), MaxBytes: 5}, "1 MiB"},
		{Options{URL: at("u"), MemberTTL: 1500 * time.Millisecond}, "whole seconds"},
		{Options{URL: at("nobody"), Unsafe: true, Replicas: 1}, "Authorization"},
		{Options{URL: at("u"), MaxBytes: 1 << 20}, "replicas > 1 not supported"},
	} {
		if _, err := Connect(within(t), c.o); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v", c.o, err)
		} else if strings.Contains(err.Error(), ":p@") {
			t.Errorf("the password is in the error: %v", err)
		}
	}

	o := Options{URL: at("u"), Unsafe: true, Replicas: 1, MaxBytes: 1 << 20}
	e, err := Connect(within(t), o)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.checkServers(within(t)); err == nil || !strings.Contains(err.Error(), "only users of their system account") {
		t.Errorf("without a user of the system account: %v", err)
	}
	e.SystemURL = at("s")
	if err := e.checkServers(within(t)); err == nil || !strings.Contains(err.Error(), "none of a cluster") {
		t.Errorf("a server of no cluster: %v", err)
	}
	system, err := e.systemConnection(within(t))
	if err != nil {
		t.Fatal(err)
	}
	defer system.Close()
	answers, err := askServers(within(t), system, 1)
	if err != nil || len(answers) != 1 {
		t.Fatalf("answers %v, %v", answers, err)
	}
	if err := answers["alone"].unfit(); err == nil || !strings.Contains(err.Error(), "sync_interval: always") {
		t.Errorf("a server that syncs when it likes: %v", err)
	}
	old := answers["alone"]
	old.Server.Version = "2.12.2"
	if err := old.unfit(); err == nil || !strings.Contains(err.Error(), "2.12.3 or newer") {
		t.Errorf("an old server: %v", err)
	}

	o.MaxBytes = 2 << 20 // a stream that is there keeps its bound, and other settings are refused
	if same, err := Connect(within(t), o); err != nil {
		t.Errorf("a stream with another bound: %v", err)
	} else if err := same.Close(); err != nil {
		t.Error(err)
	}
	want := e.frameStream()
	want.Duplicates++
	if _, err := openStream(within(t), e.js, want); err == nil || !strings.Contains(err.Error(), "duplicate_window is 5m0s") {
		t.Errorf("a stream with other settings: %v", err)
	}
	if info, err := e.frames.Info(within(t)); err != nil || info.Config.MaxBytes != 1<<20 {
		t.Errorf("the stream was changed: %v, %v", info, err)
	}
	fullStream(t, e)
}

// A token in the address is taken, and never shown.
func TestTokenInTheAddress(t *testing.T) {
	s, err := server.NewServer(&server.Options{
		ServerName: "token", Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true, JetStream: true, StoreDir: t.TempDir(), Authorization: "the-token",
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the server does not come up")
	}
	o := Options{URL: fmt.Sprintf("nats://the-token@%s", s.Addr()), Unsafe: true, Replicas: 1, MaxBytes: 1 << 20}
	e, err := Connect(within(t), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	o.URL = fmt.Sprintf("nats://wrong-token@%s", s.Addr())
	if _, err := Connect(within(t), o); err == nil || !strings.Contains(err.Error(), "Authorization") || strings.Contains(err.Error(), "wrong-token") {
		t.Errorf("%v", err)
	}
}

// fullStream: at its bound the stream refuses a batch whole, and says so.
func fullStream(t *testing.T, e *Engine) {
	at := claim(t, e, 0, "a", 0)
	half := strings.Repeat("x", e.MaxFrame()-1000)
	if _, err := e.Commit(within(t), "fits", []cluster.StoredFrame{frame(0, at, half)}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := e.Commit(within(t), "does not", []cluster.StoredFrame{frame(0, at, "small"), frame(0, at, half), frame(0, at, half)}); !errors.Is(err, ErrFull) {
			t.Fatalf("at the bound: %v", err)
		}
	}
	if got := kept(t, e, 0, claim(t, e, 0, "b", at)); len(got) != 1 || got[0] != half {
		t.Errorf("kept %d frames", len(got))
	}
}

func TestNobodyListens(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := Connect(ctx, Options{URL: "nats://user:secret@127.0.0.1:1"})
	if !errors.Is(err, nats.ErrNoServers) || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}

func TestFramesThatCannotBe(t *testing.T) {
	s, stream := cluster3(t), name(t)
	e := s.engine(t, stream, 0)
	for says, frames := range map[string][]cluster.StoredFrame{
		"0 frames":    nil,
		"1001 frames": make([]cluster.StoredFrame, 1001),
		"at most":     {frame(0, 1, strings.Repeat("x", int(e.nc.MaxPayload())-headRoom+1))},
	} {
		if _, err := e.Commit(within(t), "id", frames); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
	var refused *cluster.RefusedError
	if _, err := e.Commit(within(t), "id", []cluster.StoredFrame{frame(0, 1, "x"), frame(7, 1, strings.Repeat("x", e.largest()+1))}); !errors.As(err, &refused) || len(refused.Partitions) != 1 || refused.Partitions[0] != 7 {
		t.Errorf("%v", err)
	}
	at := claim(t, e, 0, "a", 0)
	if _, err := e.Commit(within(t), "largest", []cluster.StoredFrame{frame(0, at, strings.Repeat("x", e.largest()))}); err != nil {
		t.Errorf("the largest frame: %v", err)
	}
	most := make([]cluster.StoredFrame, MaxFrames)
	for i := range most {
		most[i] = frame(0, at, "x")
	}
	most[1] = frame(0, at, strings.Repeat("x", e.MaxFrame()))
	if last, err := e.Commit(within(t), "most", most); err != nil || last != uint64(at)+1+MaxFrames {
		t.Errorf("the most frames: %d, %v", last, err)
	}
}

func TestEmbedRefuses(t *testing.T) {
	peers := []string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"}
	good := EmbedOptions{Name: "n", Listen: peers[0], Peers: peers, Dir: t.TempDir()}
	if _, err := good.serverOptions(); err != nil {
		t.Fatal(err)
	}
	for says, change := range map[string]func(*EmbedOptions){
		"a name":                     func(o *EmbedOptions) { o.Name = "" },
		"a directory":                func(o *EmbedOptions) { o.Dir = "" },
		"missing port":               func(o *EmbedOptions) { o.Listen = "127.0.0.1" },
		"from 1 to 65535":            func(o *EmbedOptions) { o.Listen = "127.0.0.1:0" },
		"at least three":             func(o *EmbedOptions) { o.Peers = peers[:2] },
		"named twice":                func(o *EmbedOptions) { o.Peers = []string{peers[0], peers[1], peers[1]} },
		"10.0.0.1:3 is not on this":  func(o *EmbedOptions) { o.Peers = []string{peers[0], peers[1], "10.0.0.1:3"} },
		"others than this machine":   func(o *EmbedOptions) { o.Listen = "0.0.0.0:1" },
		"ask each other":             func(o *EmbedOptions) { o.TLS = &tls.Config{} },
		"from 64 KiB to 64 MiB":      func(o *EmbedOptions) { o.MaxPayload = 1 << 30 },
		"address of another server:": func(o *EmbedOptions) { o.Peers = []string{"a", "b", "c"} },
	} {
		o := good
		change(&o)
		if _, err := Embed(o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}

// Nobody logs in to an embedded server from outside the process.
func TestEmbeddedIsClosedToClients(t *testing.T) {
	e := cluster3(t).all[0]
	at := e.server.Addr().String()
	for _, user := range []string{userEngine, userSystem} {
		if c, err := nats.Connect("nats://"+at, nats.UserInfo(user, e.password)); err == nil {
			c.Close()
			t.Errorf("%s may come from outside", user)
		}
	}
	if c, err := nats.Connect("nats://" + at); err == nil {
		c.Close()
		t.Error("anybody may come from outside")
	}
}

// Of two servers with one name each says so, and waits for nothing: the others take one of
// them only.
func TestServersOfOneNameAreRefused(t *testing.T) {
	addrs, err := node.FreeAddresses("127.0.0.1", 3)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for i, name := range []string{"a", "a"} {
		e, err := Embed(EmbedOptions{Name: name, Listen: addrs[i], Peers: addrs, Dir: t.TempDir(), Log: testLog()})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Shutdown()
		if i == 1 {
			if err := e.Ready(ctx); err == nil || !strings.Contains(err.Error(), `the name "a", too`) || ctx.Err() != nil {
				t.Errorf("%v", err)
			}
		}
	}
}
