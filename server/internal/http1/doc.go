// Package http1 serves HTTP/1.1 on connections, and bounds what a connection
// may cost before anybody has said that it may cost anything.
//
// The handler is called when a request's head has come, and reads the body with
// [ReadBody] once it knows that the request is allowed. Between requests a
// connection holds no buffer. Bodies are read into buffers that grow with what
// has come, out of a [Budget] that all connections share.
//
// A handler that passes bodies on reads and writes with a [Stream] instead: of any
// length, both at once, in the memory of a few buffers.
//
// Parsing of heads and writing of answers are fasthttp's. Its server is not
// used: it reads a body before its handler is called, into a buffer of the
// announced length, and holds its buffers while a connection is idle.
package http1
