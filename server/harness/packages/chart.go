// Package packages checks what docs/deploy has with the libraries of the programs
// that will read it: Helm's, Docker Compose's, and Prometheus'. It is a module of its
// own, because these are several times as large as simplane.
package packages

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"sigs.k8s.io/yaml"
)

// deploy is where the packages are, from this directory.
const deploy = "../../../docs/deploy/"

// Chart renders the chart as `helm install RELEASE --namespace NAMESPACE` does, with
// values in YAML. It has to be called in this directory.
func Chart(release, namespace, values string) (objects []map[string]any, err error) {
	chart, err := loader.Load(deploy + "chart")
	if err != nil {
		return nil, err
	}
	v, err := chartutil.ReadValues([]byte(values))
	if err != nil {
		return nil, err
	}
	v, err = chartutil.ToRenderValues(chart, v, chartutil.ReleaseOptions{Name: release, Namespace: namespace, IsInstall: true}, nil)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(chart, v)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(name, ".tpl") {
			continue
		}
		for _, doc := range bytes.Split([]byte(files[name]), []byte("\n---\n")) {
			var o map[string]any
			if err := yaml.UnmarshalStrict(doc, &o); err != nil {
				return nil, fmt.Errorf("%s: %w\n%s", name, err, doc)
			}
			if _, ok := o["kind"].(string); ok {
				objects = append(objects, o)
			}
		}
	}
	return objects, nil
}
