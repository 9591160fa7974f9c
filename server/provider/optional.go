package provider

import (
	"context"
	"net/netip"
)

// ImageChecker is a Provider that can tell, before a function is registered or
// changed, whether its image can be had.
type ImageChecker interface {
	// CheckImage returns nil, an *ImageError, or why the engine cannot be asked. It
	// may take as long as ctx allows.
	CheckImage(ctx context.Context, d Deployment) error
}

// Codes of an ImageError.
const (
	CodeImageNotFound = "IMAGE_NOT_FOUND"
	CodeImageAuth     = "IMAGE_PULL_AUTH_REQUIRED"
	CodeImageRegistry = "IMAGE_REGISTRY_UNAVAILABLE"
)

// ImageError says why an image cannot be had.
type ImageError struct {
	Code    string
	Message string
}

func (e *ImageError) Error() string { return e.Message }

// Restorer is a Provider whose instances may outlive a crash of simplane.
type Restorer interface {
	// Restored is called once, when every function that a start brings back has been
	// provisioned: what is left of others can go.
	Restored()
}

// Checked is a Provider that depends on something that may be out of reach.
type Checked interface {
	// Health is nil, or why functions cannot be started or scaled at present. It
	// does not wait.
	Health() error
}

// Networked is a Provider whose instances are in a network of their own.
type Networked interface {
	// FromFunction reports whether a connection from addr is an instance's. It does
	// not wait.
	FromFunction(addr netip.Addr) bool
}

// Named is a Provider with the name that specs have for it.
type Named struct {
	Name string
	Provider
}

// Find finds the provider of a name; of an empty one the first.
func Find(all []Named, name string) (Named, bool) {
	for _, n := range all {
		if name == "" || n.Name == name {
			return n, true
		}
	}
	return Named{}, false
}
