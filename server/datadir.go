package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"simplane/core"
	"simplane/server/funcspec"
	"simplane/server/internal/auth"
	"simplane/server/internal/journal/pebblelog"
)

// The data directory: the journal, a key for completion tokens, and what
// pebblelog keeps beside its files.

const (
	fsyncAlways = "always"
	fsyncEvery  = "every="

	// reserveBytes are kept free for what was accepted before the disk was full.
	reserveBytes = 32 << 20
)

// syncEvery is the time between two syncs; 0 = each commit.
func (c *Config) syncEvery() (time.Duration, error) {
	if c.Fsync == fsyncAlways {
		return 0, nil
	}
	text, ok := strings.CutPrefix(c.Fsync, fsyncEvery)
	every, err := time.ParseDuration(text)
	if !ok || err != nil || every < time.Millisecond || every > time.Minute {
		return 0, fmt.Errorf("must be always, or every= and a duration from 1ms to 1m, and not %q", c.Fsync)
	}
	return every, nil
}

// openDataDir opens the journal's files.
func openDataDir(cfg *Config, log *slog.Logger, fatal func(error)) (*pebblelog.Log, error) {
	every, err := cfg.syncEvery()
	if err != nil {
		return nil, err
	}
	o := pebblelog.Options{Dir: cfg.DataDir, SyncEvery: every, Reserve: reserveBytes, Log: log, Fatal: fatal}
	if cfg.onLog != nil {
		cfg.onLog(&o)
	}
	return pebblelog.Open(o)
}

// endProcess is what a failed journal leads to: nothing more may be answered.
func endProcess(log *slog.Logger) func(error) {
	return func(err error) {
		log.Error("the process ends: what it would answer from now on might not be true after a restart", "error", err)
		os.Exit(1)
	}
}

// completionKey is the key of completion tokens, made when there is none: calls
// of this life may be completed in the next.
func completionKey(dir string) (key auth.CompletionKey, err error) {
	path := filepath.Join(dir, "completion-key")
	raw, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		key = auth.NewCompletionKey()
		return key, writePrivate(path, key[:])
	case err != nil:
		return key, err
	case len(raw) != len(key):
		return key, fmt.Errorf("%s has %d bytes, not %d: it is broken; without it a new one is made, and functions that still run cannot complete their executions with it", path, len(raw), len(key))
	}
	copy(key[:], raw)
	return key, nil
}

// writePrivate writes a small file for this user alone, whole or not at all.
func writePrivate(path string, data []byte) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// storedSpecs is the stored form of specs: their view as JSON, which is at once
// what a user may write, and where they come from.
type storedSpecs struct{}

type storedSpec struct {
	Spec   funcspec.Spec    `json:"spec"`
	Origin *funcspec.Origin `json:"origin,omitempty"`
}

// EncodeSpec implements core.SpecCodec.
func (storedSpecs) EncodeSpec(s *core.Spec) ([]byte, error) {
	return json.Marshal(storedSpec{funcspec.View(s), funcspec.Of(s).Origin})
}

// DecodeSpec implements core.SpecCodec.
func (storedSpecs) DecodeSpec(stored []byte) (*core.Spec, error) {
	var s storedSpec
	if err := json.Unmarshal(stored, &s); err != nil {
		return nil, err
	}
	spec, err := funcspec.Restore(s.Spec)
	if err == nil {
		funcspec.Of(spec).Origin = s.Origin
	}
	return spec, err
}
