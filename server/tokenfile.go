package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// tokenSource is one scope's tokens in a Config, by the key of each form.
type tokenSource struct {
	key          string
	tokens, file *string
}

func (c *Config) tokenSources() []tokenSource {
	return []tokenSource{
		{"invokeToken", &c.InvokeToken, &c.InvokeTokenFile},
		{"manageToken", &c.ManageToken, &c.ManageTokenFile},
		{"internalToken", &c.InternalToken, &c.InternalTokenFile},
	}
}

// loadTokenFiles sets the tokens that are in files. Errors name the file and
// contain no token.
func (s *Settings) loadTokenFiles() (errs []error) {
	for _, source := range s.Config.tokenSources() {
		if *source.file == "" {
			continue
		}
		fileKey := source.key + "File"
		from := s.origin[flagName(fileKey)]
		if *source.tokens != "" {
			errs = append(errs, fmt.Errorf("%s: %s: %s (%s) is given too; leave one", from, fileKey, source.key, s.origin[flagName(source.key)]))
			continue
		}
		list, err := readTokenFile(*source.file)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %s: %w", from, fileKey, err))
			continue
		}
		*source.tokens = list
		s.origin[flagName(source.key)] = *source.file
	}
	return errs
}

// maxTokenFile bounds a file of tokens, in bytes.
const maxTokenFile = 64 << 10

// readTokenFile reads tokens, one a line, into the form that flags take. White
// space around them and empty lines are dropped.
func readTokenFile(path string) (list string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", err
	case info.IsDir():
		return "", fmt.Errorf("%s is a directory", path)
	case info.Mode().IsRegular() && info.Mode()&0o002 != 0:
		return "", fmt.Errorf("every user of this machine may write %s and so set the tokens; chmod 600 it", path)
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxTokenFile+1))
	switch {
	case err != nil:
		return "", err
	case len(raw) > maxTokenFile:
		return "", fmt.Errorf("%s is larger than %d KiB", path, maxTokenFile>>10)
	}
	var tokens []string
	line := 0
	for text := range bytes.Lines(raw) {
		line++
		token := strings.TrimSpace(string(text))
		switch {
		case token == "":
		case strings.ContainsAny(token, ",\x00"):
			return "", fmt.Errorf("%s:%d: a token must not contain a comma; write one a line", path, line)
		default:
			tokens = append(tokens, token)
		}
	}
	if len(tokens) == 0 {
		return "", errors.New(path + " holds no token")
	}
	return strings.Join(tokens, ","), nil
}

// readableTokenFiles says which files of tokens every user of this machine may
// read.
func (c *Config) readableTokenFiles() (found []string) {
	for _, source := range c.tokenSources() {
		if *source.file == "" {
			continue
		}
		if info, err := os.Stat(*source.file); err == nil && info.Mode().IsRegular() && info.Mode()&0o004 != 0 {
			found = append(found, fmt.Sprintf("%sFile: every user of this machine may read %s (mode %04o); chmod 600 it", source.key, *source.file, info.Mode().Perm()))
		}
	}
	return found
}
