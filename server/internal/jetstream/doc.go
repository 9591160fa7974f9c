// Package jetstream is the engine of several control planes: ownership, frames,
// members and announcements in NATS JetStream (2.12.3 or newer), as replica.Engine
// has them, and a NATS server inside this process.
//
// Two streams keep all of it, each on three servers, with every write synced to disk
// before it is acknowledged:
//
//   - NAME has the subjects NAME.f.P, frames of partition P, and NAME.own.P, its
//     newest ownership record. They are one stream because a fence is checked in the
//     order of the stream that has both: a frame carries "the last message of
//     NAME.own.P is the one at S".
//   - NAME-nodes has NAME.node.NODE, the newest record of a member, which expires,
//     and NAME.set.KEY, what was announced. It is a stream of its own so that
//     renewals neither wait behind large frames nor fail when those are at their
//     bound.
//
// # What is relied on
//
// One order of a stream's messages, its conditional writes, and that an acknowledged
// write is on a majority of disks. Not that a read shows the newest write: a
// consumer reads whatever server it is on, which may be behind. So Read goes on until
// it meets a message known to be there, and Watch remembers how far it has come.
//
// # Outcomes
//
// A write that was sent and not answered is sent again until the context ends. It
// carries an id, by which the server knows it (Nats-Msg-Id): it is stored once. The
// server forgets ids after dedupWindow, so a write whose first attempt is older than
// half of that is not repeated, see ErrTooOld. Some refusals say only that another
// write of the subject is on its way; those are repeated too.
package jetstream
