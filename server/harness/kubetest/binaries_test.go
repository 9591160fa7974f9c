package kubetest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// programs fills a directory with programs that do nothing.
func programs(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFind(t *testing.T) {
	all := programs(t, "etcd", "kube-apiserver", "kube-controller-manager")
	two := programs(t, "etcd", "kube-apiserver")
	one := programs(t, "etcd")
	etcd := filepath.Join(one, "etcd")
	for name, c := range map[string]struct {
		env     map[string]string
		want    Binaries
		skipped bool
		fault   string
	}{
		"nothing":            {skipped: true},
		"half on PATH":       {env: map[string]string{"PATH": one}, skipped: true},
		"on PATH":            {env: map[string]string{"PATH": two}, want: Binaries{two + "/etcd", two + "/kube-apiserver", ""}},
		"a directory":        {env: map[string]string{"KUBEBUILDER_ASSETS": all, "PATH": two}, want: Binaries{all + "/etcd", all + "/kube-apiserver", all + "/kube-controller-manager"}},
		"without the third":  {env: map[string]string{"KUBEBUILDER_ASSETS": two}, want: Binaries{two + "/etcd", two + "/kube-apiserver", ""}},
		"a file of its own":  {env: map[string]string{"KUBEBUILDER_ASSETS": all, "TEST_ASSET_ETCD": etcd}, want: Binaries{etcd, all + "/kube-apiserver", all + "/kube-controller-manager"}},
		"an empty directory": {env: map[string]string{"KUBEBUILDER_ASSETS": t.TempDir(), "PATH": all}, fault: "KUBEBUILDER_ASSETS"},
		"a wrong file":       {env: map[string]string{"KUBEBUILDER_ASSETS": all, "TEST_ASSET_KUBE_APISERVER": "/nowhere"}, fault: "TEST_ASSET_KUBE_APISERVER"},
		"a wrong third":      {env: map[string]string{"KUBEBUILDER_ASSETS": all, "TEST_ASSET_KUBE_CONTROLLER_MANAGER": "/nowhere"}, fault: "TEST_ASSET_KUBE_CONTROLLER_MANAGER"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, v := range []string{"KUBEBUILDER_ASSETS", "TEST_ASSET_ETCD", "TEST_ASSET_KUBE_APISERVER", "TEST_ASSET_KUBE_CONTROLLER_MANAGER"} {
				t.Setenv(v, c.env[v])
			}
			t.Setenv("PATH", c.env["PATH"])
			got, err := Find()
			switch {
			case c.skipped:
				if !errors.Is(err, ErrNone) {
					t.Errorf("error %v, want ErrNone", err)
				}
			case c.fault != "":
				if err == nil || errors.Is(err, ErrNone) || !strings.Contains(err.Error(), c.fault) {
					t.Errorf("error %v, want one that names %s", err, c.fault)
				}
			case err != nil || got != c.want:
				t.Errorf("%+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}
