package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"simplane/core/cluster"
)

// ownRecord is this process's record of itself. at is the place of the newest one
// that it knows to have written; 0 = none yet.
type ownRecord struct {
	name, life string
	at         uint64
}

// Renew writes the record of this process: the first time over whatever record the
// name has, then only in place of its own. The error is cluster.ErrReplaced when
// another process has written one since. A record that has expired is written anew.
func (e *Engine) Renew(ctx context.Context, m cluster.Member) error {
	e.renewing.Lock()
	defer e.renewing.Unlock()
	if e.member.name != m.Name || e.member.life != m.Life {
		e.member = ownRecord{name: m.Name, life: m.Life}
	}
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("cluster: record of member %s: %w", m.Name, err)
	}
	return e.writeMember(ctx, body, e.MemberTTL.String())
}

// Resign removes the record of this process: its last word is an empty one.
func (e *Engine) Resign(ctx context.Context) error {
	e.renewing.Lock()
	defer e.renewing.Unlock()
	if e.member.at == 0 {
		return nil
	}
	err := e.writeMember(ctx, nil, markerTTL.String())
	if err == nil || errors.Is(err, cluster.ErrReplaced) {
		e.member.at = 0
		return nil
	}
	return err
}

// writeMember writes in place of the newest own record. Where another is found, it
// is looked at: it may be what an earlier attempt has written.
func (e *Engine) writeMember(ctx context.Context, body []byte, ttl string) error {
	subject := e.subjects.node(e.member.name)
	for {
		m := nats.NewMsg(subject)
		m.Data = body
		m.Header.Set(js.MsgTTLHeader, ttl)
		if e.member.at != 0 {
			m.Header.Set(js.ExpectedLastSubjSeqHeader, strconv.FormatUint(e.member.at, 10))
		}
		answer, err := e.write(ctx, m)
		if err == nil {
			e.member.at = answer.Seq
		}
		if !isWrongLast(err) {
			return err
		}
		newest, life, err := e.newestMember(ctx, subject)
		if err != nil {
			return err
		}
		if life != "" && life != e.member.life {
			return cluster.ErrReplaced
		}
		e.member.at = newest
	}
}

// newestMember is the place of the newest message of a member, and the life in it;
// "" = it has resigned or expired. Where there is no message the place is 0.
func (e *Engine) newestMember(ctx context.Context, subject string) (at uint64, life string, err error) {
	at, m, err := e.recordOf(ctx, subject)
	if m != nil {
		life = m.Life
	}
	return at, life, err
}

// recordOf is the same with the whole record; nil for none.
func (e *Engine) recordOf(ctx context.Context, subject string) (at uint64, m *cluster.Member, err error) {
	newest, err := e.newest(ctx, e.nodes, subject)
	if err != nil || newest == nil {
		return 0, nil, err
	}
	if len(newest.Data) == 0 {
		return newest.Sequence, nil, nil
	}
	m = &cluster.Member{}
	if err := json.Unmarshal(newest.Data, m); err != nil {
		return 0, nil, fmt.Errorf("cluster: record of a member at %d: %w", newest.Sequence, err)
	}
	return newest.Sequence, m, nil
}

// Member is the newest record under a name; nil = none, or it has resigned or expired.
func (e *Engine) Member(ctx context.Context, name string) (*cluster.Member, error) {
	_, m, err := e.recordOf(ctx, e.subjects.node(name))
	return m, err
}

func isWrongLast(err error) bool {
	var api *js.APIError
	return errors.As(err, &api) && api.ErrorCode == codeWrongLast
}
