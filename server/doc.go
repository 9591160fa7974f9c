// Package server serves core over HTTP: configuration, routes, listeners,
// wiring and graceful shutdown. Its internal packages decode requests, call
// core and encode responses, and provide what core must not have: the
// machine's clock, random ids, transports to functions, and metrics.
package server
