package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"go.yaml.in/yaml/v3"

	"simplane/core/strictyaml"
)

// Contexts are named servers: the address with all that its callers need. They
// are in one file, which only its owner can read, since it may hold tokens.

// contextFile is what the file holds.
type contextFile struct {
	Current  string                   `yaml:"current,omitempty"`
	Contexts map[string]serverContext `yaml:"contexts"`
}

// serverContext is one server. Files are absolute paths.
type serverContext struct {
	Server    string `yaml:"server" json:"server"`
	Token     string `yaml:"token,omitempty" json:"-"`
	TokenFile string `yaml:"tokenFile,omitempty" json:"tokenFile,omitempty"`
	TLSCA     string `yaml:"tlsCa,omitempty" json:"tlsCa,omitempty"`
	TLSCert   string `yaml:"tlsCert,omitempty" json:"tlsCert,omitempty"`
	TLSKey    string `yaml:"tlsKey,omitempty" json:"tlsKey,omitempty"`
}

// contextName is what a context may be called: one word in every shell.
var contextName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// contextPath is where the file is: $SIMPLANE_CONTEXTS, else simplane/contexts.yaml
// below the user's configuration folder.
func contextPath() (string, error) {
	if path := getenv("SIMPLANE_CONTEXTS"); path != "" {
		return path, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("no folder for contexts: %w; name a file with SIMPLANE_CONTEXTS", err)
	}
	return filepath.Join(dir, "simplane", "contexts.yaml"), nil
}

// readContexts reads the file; without one there are no contexts. A file that
// others can read is refused.
func readContexts() (contextFile, error) {
	f := contextFile{Contexts: map[string]serverContext{}}
	path, err := contextPath()
	if err != nil {
		return f, err
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f, nil
	case err != nil:
		return f, err
	case info.Mode().Perm()&0o077 != 0:
		return f, fmt.Errorf("%s: others can read the tokens in it (mode %04o); run: chmod 600 %s", path, info.Mode().Perm(), path)
	case info.Size() > strictyaml.MaxBytes:
		return f, fmt.Errorf("%s: larger than %d MiB", path, strictyaml.MaxBytes>>20)
	}
	file, err := os.Open(path)
	if err != nil {
		return f, err
	}
	defer file.Close()
	dec := yaml.NewDecoder(file)
	dec.KnownFields(true)
	if err := dec.Decode(&f); err != nil {
		return f, fmt.Errorf("%s: %w", path, err)
	}
	if f.Contexts == nil {
		f.Contexts = map[string]serverContext{}
	}
	return f, nil
}

// write puts the file in the place of the one before, whole or not at all, with
// mode 0600.
func (f contextFile) write() error {
	path, err := contextPath()
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	raw, err := yaml.Marshal(f)
	if err != nil {
		return err
	}
	next, err := os.CreateTemp(dir, ".contexts-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(next.Name()) // it is gone already after the rename
	_, err = next.Write(raw)
	if err == nil {
		err = next.Sync()
	}
	if closing := next.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	return os.Rename(next.Name(), path)
}

// names are those of the contexts.
func (f contextFile) names() (names []string) {
	for name := range f.Contexts {
		names = append(names, name)
	}
	return names
}

// get is the context of a name.
func (f contextFile) get(name string) (serverContext, error) {
	c, ok := f.Contexts[name]
	if !ok {
		return c, fmt.Errorf("context %q not found%s (simplane context list)", name, didYouMean(name, f.names()))
	}
	return c, nil
}
