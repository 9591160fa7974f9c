package kubetest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Binaries are the paths of a control plane's programs.
type Binaries struct {
	Etcd              string
	APIServer         string
	ControllerManager string // empty when there is none
}

// ErrNone says that the programs are not there and nobody claimed they were.
var ErrNone = errors.New("no etcd and kube-apiserver at hand: set KUBEBUILDER_ASSETS to a directory with both (make kube-assets builds them)")

// Find looks for the programs where the tools around Kubernetes do: at
// TEST_ASSET_ETCD, TEST_ASSET_KUBE_APISERVER and
// TEST_ASSET_KUBE_CONTROLLER_MANAGER, then in the directory KUBEBUILDER_ASSETS,
// then on PATH. The error is ErrNone unless a variable names something that is
// not there: who asked for these tests must not get a skip.
func Find() (b Binaries, err error) {
	for _, program := range []struct {
		path           *string
		variable, name string
		optional       bool
	}{
		{&b.Etcd, "TEST_ASSET_ETCD", "etcd", false},
		{&b.APIServer, "TEST_ASSET_KUBE_APISERVER", "kube-apiserver", false},
		// The downloads of envtest lack it.
		{&b.ControllerManager, "TEST_ASSET_KUBE_CONTROLLER_MANAGER", "kube-controller-manager", true},
	} {
		path, e := find(program.variable, program.name)
		*program.path = path
		switch {
		case e == nil, program.optional && (errors.Is(e, ErrNone) || os.Getenv(program.variable) == ""):
		case err == nil, !errors.Is(e, ErrNone):
			err = e
		}
	}
	return b, err
}

func find(variable, name string) (string, error) {
	if path := os.Getenv(variable); path != "" {
		return executable(variable, path)
	}
	if dir := os.Getenv("KUBEBUILDER_ASSETS"); dir != "" {
		return executable("KUBEBUILDER_ASSETS", filepath.Join(dir, name))
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", ErrNone
	}
	return path, nil
}

func executable(variable, path string) (string, error) {
	// LookPath leaves a path with a slash as it is and checks the mode.
	abs, err := filepath.Abs(path)
	if err == nil {
		abs, err = exec.LookPath(abs)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", variable, err)
	}
	return abs, nil
}
