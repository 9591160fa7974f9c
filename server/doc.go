// Package server puts the core behind HTTP: it decodes requests, calls core
// and encodes answers, and it brings what core must not have: the machine's
// clock, random ids, transports to functions, metrics and graceful shutdown.
package server
