package kubernetes

import (
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"simplane/server/internal/fncall"
	"simplane/server/provider"
)

// refusal finds out whether the API server calls what was sent wrong, rather
// than being in trouble itself: then trying again does not help.
func refusal(err error) error {
	var status *apierrors.StatusError
	if !errors.As(err, &status) {
		return err
	}
	switch {
	case apierrors.IsInvalid(status):
		var all []error
		if d := status.ErrStatus.Details; d != nil {
			for _, c := range d.Causes {
				all = append(all, fmt.Errorf("the cluster refuses %s: %s", c.Field, fncall.Snippet([]byte(c.Message))))
			}
		}
		if all == nil {
			all = []error{err}
		}
		return provider.Invalid(errors.Join(all...))
	case apierrors.IsRequestEntityTooLargeError(status):
		return provider.Invalid(errors.New("env, commands: too large for the cluster"))
	}
	return err
}
