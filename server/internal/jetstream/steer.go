package jetstream

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"
)

// heardBy is what a server tells the others every beat.
type heardBy struct {
	Server string `json:"server"`
	// AgoMs is how many milliseconds ago it heard each other one.
	AgoMs map[string]int64 `json:"agoMs"`
}

// steer has a server lead that hears more of the others than this process's does, see
// hearing, until the engine is closed. Servers outside are not this process's to ask.
func (e *Engine) steer() error {
	if e.Embedded == nil {
		return nil
	}
	var mu sync.Mutex
	h := hearing{self: e.Embedded.server.Name()} // guarded by mu
	_, err := e.nc.Subscribe(e.subjects.hearing(), func(m *nats.Msg) {
		var by heardBy
		if json.Unmarshal(m.Data, &by) != nil {
			return
		}
		heard := map[string]time.Duration{}
		for name, ms := range by.AgoMs {
			heard[name] = time.Duration(ms) * time.Millisecond
		}
		mu.Lock()
		defer mu.Unlock()
		h.tell(by.Server, heard, time.Now())
	})
	if err != nil {
		return err
	}
	go e.steering(func() (map[string]time.Duration, string) {
		mu.Lock()
		defer mu.Unlock()
		return h.look(time.Now())
	})
	return nil
}

// steering tells the others every beat what look returns, and acts on it.
func (e *Engine) steering(look func() (heard map[string]time.Duration, better string)) {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	moving := make(chan struct{}, 1) // a place for one move
	for {
		select {
		case <-e.closed:
			return
		case <-tick.C:
		}
		heard, better := look()
		by := heardBy{Server: e.Embedded.server.Name(), AgoMs: map[string]int64{}}
		for name, ago := range heard {
			by.AgoMs[name] = ago.Milliseconds()
		}
		if body, err := json.Marshal(by); err == nil {
			_ = e.nc.Publish(e.subjects.hearing(), body) // that it does not come is what others notice
		}
		if better == "" {
			continue
		}
		select {
		case moving <- struct{}{}:
			go func() {
				defer func() { <-moving }()
				e.moveLead(better)
			}()
		default: // one is under way
		}
	}
}

// moveLead has another server lead whatever this process's leads.
func (e *Engine) moveLead(to string) {
	s := e.Embedded.server
	body, _ := json.Marshal(server.JSApiLeaderStepdownRequest{Placement: &server.Placement{Preferred: to}}) // of a struct of texts
	move := func(nc *nats.Conn, what, subject string) {
		if err := ask(context.Background(), nc, subject, body); err != nil {
			e.Log.Debug("cluster: another server is to lead, and does not yet", "server", to, "what", what, "error", err)
			return
		}
		e.Log.Info("cluster: another server hears more of the others than this one, and is to lead", "server", to, "what", what)
	}
	for _, stream := range []js.Stream{e.frames, e.nodes} {
		if name := stream.CachedInfo().Config.Name; s.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, name) {
			move(e.nc, name, stepDownStream+name)
		}
	}
	if !s.JetStreamIsLeader() {
		return
	}
	system, err := e.Embedded.connect(userSystem)
	if err != nil {
		return
	}
	defer system.Close()
	move(system, "servers", stepDownServers)
}
