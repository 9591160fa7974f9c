package jetstream

import js "github.com/nats-io/nats.go/jetstream"

// message is one without a connection.
type message struct {
	js.Msg
	subject string
	data    []byte
}

func (m message) Subject() string { return m.subject }
func (m message) Data() []byte    { return m.data }
