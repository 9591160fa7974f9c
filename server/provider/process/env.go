package process

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"simplane/server/provider"
)

// inherited are the variables a function gets from simplane's environment.
// The others are left out: they may hold simplane's own secrets.
var inherited = []string{"PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"}

// environment builds a function's environment: the inherited variables, those
// of its user, the deployment's, then extra, the later ones winning.
func environment(d provider.Deployment, user Identity, extra map[string]string) []string {
	vars := map[string]string{"PATH": "/usr/local/bin:/usr/bin:/bin"}
	for _, k := range inherited {
		if v, ok := os.LookupEnv(k); ok {
			vars[k] = v
		}
	}
	maps.Copy(vars, user.variables())
	for k, v := range d.Env {
		vars[k] = v
	}
	for k, v := range extra {
		vars[k] = v
	}
	env := make([]string, 0, len(vars))
	for k, v := range vars {
		env = append(env, k+"="+v)
	}
	return env
}

// resolve finds the executable the way a shell in dir with that environment
// would.
func resolve(name, dir string, env []string) (string, error) {
	if strings.ContainsRune(name, '/') {
		file := name
		if !filepath.IsAbs(file) {
			file = filepath.Join(dir, file)
		}
		return file, executable(file)
	}
	path := ""
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			path = v
		}
	}
	for _, d := range filepath.SplitList(path) {
		if !filepath.IsAbs(d) {
			d = filepath.Join(dir, d)
		}
		file := filepath.Join(d, name)
		if executable(file) == nil {
			return file, nil
		}
	}
	return "", fmt.Errorf("%q was not found in PATH", name)
}

func executable(file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if info.IsDir() || info.Mode()&0o111 == 0 {
		return fmt.Errorf("%s: %w", file, fs.ErrPermission)
	}
	return nil
}

// argv is the command line of a deployment.
func argv(d provider.Deployment) []string {
	if len(d.Commands) > 0 && d.Commands[0] != "" {
		return d.Commands
	}
	return []string{"sh", "-c", d.RuntimeCommand}
}
