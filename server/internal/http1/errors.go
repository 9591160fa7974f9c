package http1

import (
	"errors"
	"fmt"
)

// Why a request was not read. Timeouts are errors of package net.
var (
	// ErrHeadTooLarge says that the head has more than MaxHeaderBytes.
	ErrHeadTooLarge = errors.New("the request's head is larger than maxHeaderBytes")
	// ErrTooManyHeaders says that the head has more than MaxHeaders fields.
	ErrTooManyHeaders = fmt.Errorf("the request has more than %d header fields", MaxHeaders)
	// ErrBodyTooLarge says that the body has, or announces, more than
	// MaxBodyBytes.
	ErrBodyTooLarge = errors.New("the request's body is larger than maxBodyBytes")
	// ErrBusy says that the budget of bodies had no room for this one.
	ErrBusy = errors.New("the bodies of other requests take up maxReadingBytes; retry later")
	// ErrVersion says that the request is in another version of HTTP.
	ErrVersion = errors.New("only HTTP/1.1 and HTTP/1.0 are spoken here")
)

// Malformed says in which way a request breaks RFC 9112.
type Malformed string

// Error implements error.
func (m Malformed) Error() string { return string(m) }
